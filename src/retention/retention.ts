// Retention: the leader's instance lets go of what EVENT_RETENTION no longer keeps. First the floor of the log rises, by
// which every reader judges from then on; then whole partitions below it are taken off the log and dropped. Taking off
// waits for the transactions that may read the partition, and no other session waits for it: DETACH … CONCURRENTLY on a
// session of its own (PostgreSQL's manual, ALTER TABLE). One that was interrupted is finished by the next round. Where there is
// an archive a partition is written to it before, and the floor rises by whole partitions.
import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import { z } from 'zod';
import { type Archive, FILE_BYTES, FILE_ROWS } from '../archive/archive.ts';
import type { LogRow } from '../events.ts';
import type { Service } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import { createOutage } from '../outage.ts';
import { isAway } from '../postgres/errors.ts';
import { openLockSession } from '../postgres/lock_session.ts';
import { createStrangers, type Strangers } from '../postgres/strangers.ts';
import type { StagedRow } from '../queries/log.ts';
import { within } from '../within.ts';

interface RetentionOptions {
  /** A session-level address. */
  url: string;
  service: string;
  /** How long events are kept, in seconds. */
  seconds: number;
  /** Whether this instance leads: one is enough. */
  isLeading(): boolean;
  /** Where partitions are written to before they go. */
  archive?: Archive | undefined;
  /** The events of a log in (after, through], or so many of them as fill a page; none if the log is another one by now. */
  range(log: string, after: number, through: number): Promise<readonly LogRow[]>;
  /** Takes a piece of what is numbered out of staged; answers behind which row to go on, or null when nothing was left. */
  clean(after: StagedRow): Promise<StagedRow | null>;
  logger: Logger;
}

/** Retention as an instance has it. */
export interface Retention extends Service {
  /** What keeps it from letting go, as sentences; none if nothing does. */
  readonly obstacles: readonly string[];
}

const BEGUN = 'old events cannot be let go, and are kept until they can';
const ROUNDS = 20; // in the time that events are kept
const [SHORTEST, LONGEST] = [1_000, 60_000]; // ms between two rounds
const FINALIZE_WITHIN = '1s';
const IDLE = '10min'; // an archive on a network takes its time
const PAGE = 1_000; // positions that are read at once for the archive
const BATCHES = 5_000; // forgotten by one statement
const STOP_WITHIN = 3_000; // ms, then the session is cut

/** One round of letting go, for an operator who has the owner's login and asks for it; returns the floor of the log then. */
export async function letGoOnce(
  options: Omit<RetentionOptions, 'isLeading'>,
  cut: AbortSignal,
): Promise<number | undefined> {
  const strangers = createStrangers({
    purpose: 'retention',
    lock: 'the lock of retention',
    logger: options.logger,
  });
  return letGo(options, strangers, cut);
}

/** Rounds of letting go, for as long as it runs. A round that fails is logged once per outage, and comes again. */
export function createRetention(options: RetentionOptions): Retention {
  const { seconds, isLeading, logger } = options;
  const every = Math.min(Math.max((seconds * 1_000) / ROUNDS, SHORTEST), LONGEST);
  const strangers = createStrangers({ purpose: 'retention', lock: 'the lock of retention', logger });
  const stopping = new AbortController();
  const cut = new AbortController();
  let running: Promise<void> | undefined;
  let failure: string | undefined;

  async function run(): Promise<void> {
    const outage = createOutage(logger, {
      begun: BEGUN,
      ended: 'old events are let go again',
    });
    while (!stopping.signal.aborted) {
      if (isLeading()) {
        await letGo(options, strangers, cut.signal)
          .then(() => {
            failure = undefined;
            outage.end();
          })
          .catch((error: unknown) => {
            if (stopping.signal.aborted) return;
            failure = `${BEGUN}: ${error instanceof Error ? error.message : error}`;
            outage.begin(error);
          });
      } else failure = undefined; // the leader's to say
      await pause(every, undefined, { signal: stopping.signal }).catch(() => {});
    }
  }

  return {
    name: 'retention',
    get obstacles() {
      return [failure, strangers.present].filter(each => each !== undefined);
    },
    async start() {
      running ??= run();
    },
    async stop() {
      stopping.abort();
      const giveUp = setTimeout(() => cut.abort(), STOP_WITHIN);
      await within(2 * STOP_WITHIN, running);
      clearTimeout(giveUp);
    },
  };
}

const Floor = z.tuple([z.object({ floor: z.number() })]);
const Forgotten = z.tuple([z.object({ number: z.number() })]);

// Undefined where another session is at it.
async function letGo(
  options: Omit<RetentionOptions, 'isLeading'>,
  strangers: Strangers,
  cut: AbortSignal,
): Promise<number | undefined> {
  const { url, service, seconds, archive } = options;
  const lock = await openLockSession({ url, service, name: 'retention' }, cut);
  const { client: session } = lock;
  const end = () => void session.end().catch(() => {});
  cut.addEventListener('abort', end);
  try {
    // The leader before may be at its last round.
    if (!(await lock.take('retention')) && !((await strangers.end(lock)) && (await lock.take('retention'))))
      return undefined;
    strangers.gone();
    await session.query(`SET idle_session_timeout = '${IDLE}'`);
    if (archive) await archivePartitions(session, archive, options, cut);
    const raised = await session.query(
      'SELECT feed.raise_floor(make_interval(secs => $1), $2)::float8 AS floor',
      [seconds, archive !== undefined],
    );
    const [{ floor }] = Floor.parse(raised.rows);
    await dropPartitions(session, floor, options);
    await forgetBatches(session);
    return floor;
  } finally {
    cut.removeEventListener('abort', end);
    await lock.close();
  }
}

const ToArchive = z.array(z.object({ log: z.string(), first: z.number(), last: z.number() }));

// Partitions all of whose events are old enough, and of each what is not in the archive yet: a round that was cut off is gone on with.
async function archivePartitions(
  session: pg.Client,
  archive: Archive,
  { seconds, range, logger }: Omit<RetentionOptions, 'isLeading'>,
  cut: AbortSignal,
): Promise<void> {
  const { rows } = await session.query(
    `SELECT log.id::text AS log, greatest(p.first, log.floor + 1, f.last + 1)::float8 AS first, p.last::float8 AS last
     FROM feed.partitions() AS p
     CROSS JOIN feed.log
     CROSS JOIN (SELECT max(f.last) AS last FROM feed.archive_files AS f) AS f
     WHERE NOT p.is_detached AND p.last > greatest(log.floor, f.last)
       AND p.last <= (
         SELECT b.last_position
         FROM feed.event_batches AS b
         WHERE b.at < clock_timestamp() - make_interval(secs => $1)
         ORDER BY b.at DESC, b.last_position DESC
         LIMIT 1)
     ORDER BY p.first`,
    [seconds],
  );
  for (const { log, first, last } of ToArchive.parse(rows)) {
    const begun = performance.now();
    let [files, bytes] = [0, 0];
    for (let after = first - 1; after < last; ) {
      cut.throwIfAborted();
      const file = await archive.write(
        log,
        await readFileful((from, to) => range(log, from, to), after, last),
      );
      await session.query(`SELECT feed.note_archived($1, $2, $3, $4, decode($5, 'hex'))`, [
        file.first,
        file.last,
        log,
        file.bytes,
        file.sha256,
      ]);
      after = file.last;
      files++;
      bytes += file.bytes;
    }
    const seconds = Math.round((performance.now() - begun) / 1_000);
    logger.info({ first, last, files, bytes, seconds }, 'a partition of the log was archived');
  }
}

// As much as one file of the archive takes. The log is dense: an empty page is one that another session let go.
async function readFileful(
  range: (after: number, through: number) => Promise<readonly LogRow[]>,
  after: number,
  last: number,
): Promise<LogRow[]> {
  const rows: LogRow[] = [];
  for (let bytes = 0; rows.length < FILE_ROWS && bytes < FILE_BYTES; ) {
    const from = rows.at(-1)?.position ?? after;
    if (from === last) break;
    const page = await range(from, Math.min(last, from + PAGE, after + FILE_ROWS));
    if (page[0]?.position !== from + 1) throw new Error(`the log does not show its position ${from + 1}`);
    rows.push(...page);
    for (const { data, previous } of page) bytes += (data?.length ?? 0) + (previous?.length ?? 0);
  }
  return rows;
}

const Partition = z.object({ oid: z.number(), name: z.string(), is_detached: z.boolean() });
const Detached = z.object({ oid: z.number() });
const Older = z.tuple([z.object({ older: z.boolean() })]);

// Numbered rows that are staged still go first. Those that are off the log already, by a round that was cut off, come before
// others; then one whose taking off was begun: there is none beside it. One that cannot be dropped keeps no other from it.
async function dropPartitions(
  session: pg.Client,
  floor: number,
  { clean, logger }: Pick<RetentionOptions, 'clean' | 'logger'>,
): Promise<void> {
  const failures: unknown[] = [];
  const drop = async (oid: number) => {
    const { rows } = await session.query('SELECT feed.let_go($1) AS name', [oid]);
    logger.info({ partition: rows[0]?.name, floor }, 'a partition of the log was let go');
  };
  const left = await session.query(`
    SELECT d.relation::bigint::float8 AS oid
    FROM feed.detached AS d
    WHERE NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = d.relation AND c.relispartition)`);
  for (const { oid } of z.array(Detached).parse(left.rows)) {
    await drop(oid).catch((error: unknown) => failures.push(error));
  }
  const { rows } = await session.query(
    `SELECT c.oid::bigint::float8 AS oid, format('%I.%I', n.nspname, c.relname) AS name, p.is_detached
     FROM feed.partitions() AS p
     JOIN pg_class AS c ON c.oid = p.relation
     JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE p.last <= $1
     ORDER BY p.is_detached DESC, p.first`,
    [floor],
  );
  const partitions = z.array(Partition).parse(rows);
  if (partitions.length > 0) await cleanAll(clean);
  for (const { oid, name, is_detached: isBegun } of partitions) {
    if (!isBegun) await cleanOf(session, name);
    await session.query('INSERT INTO feed.detached (relation) VALUES ($1) ON CONFLICT DO NOTHING', [oid]);
    if (!isBegun) await session.query(`ALTER TABLE feed.events DETACH PARTITION ${name} CONCURRENTLY`);
    else if (!(await finalize(session, name))) break;
    await drop(oid).catch((error: unknown) => failures.push(error));
  }
  if (failures.length > 0) throw failures[0];
}

// CONCURRENTLY waits without a lock that others want, however long; FINALIZE, after one that was cut off, holds the log's
// definition while it waits for older snapshots. So it is begun only where there are none, and given up soon.
async function finalize(session: pg.Client, name: string): Promise<boolean> {
  const { rows } = await session.query(`
    SELECT EXISTS (
      SELECT FROM pg_stat_activity AS a
      WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.backend_xmin IS NOT NULL
        AND a.xact_start < clock_timestamp() - interval '1 second') AS older`);
  if (Older.parse(rows)[0].older) return false;
  await session.query(`SET statement_timeout = '${FINALIZE_WITHIN}'`);
  try {
    await session.query(`ALTER TABLE feed.events DETACH PARTITION ${name} FINALIZE`);
    return true;
  } catch (error) {
    if (isAway(error)) throw error;
    return false; // the next round tries again
  } finally {
    await session.query('SET statement_timeout = 0');
  }
}

// What is staged and in no event would be numbered by feed.new_log(): so nothing of what goes may be staged still.
async function cleanAll(clean: RetentionOptions['clean']): Promise<void> {
  for (let next = await clean({ xid: '0', id: '0' }); next !== null; ) next = await clean(next);
}

// What clean_staged() leaves, which goes by transaction ids alone: of transactions that ran beside another one. Numbered rows
// are seen by the last batch, so no look will ever ask for them.
async function cleanOf(session: pg.Client, partition: string): Promise<void> {
  await session.query(
    `DELETE FROM feed.staged AS s WHERE EXISTS (SELECT FROM ${partition} AS e WHERE e.staged_id = s.id OFFSET 0)`,
  );
}

async function forgetBatches(session: pg.Client): Promise<void> {
  for (;;) {
    const { rows } = await session.query('SELECT feed.forget_batches($1) AS number', [BATCHES]);
    if (Forgotten.parse(rows)[0].number < BATCHES) return;
  }
}
