// The way of an event: who numbers, what waits, how large outbox and log are, how they grow, and for how long the disk lasts.
import { constants, existsSync } from 'node:fs';
import { access, statfs } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { schemasOf } from '../postgres/names.ts';
import { readFeedState } from '../queries/log.ts';
import { isStuck } from '../queries/numbering.ts';
import { ask, askOne, number, type Patient } from './patient.ts';
import { fine, gradeOf, note, type Remark, showBytes, showSeconds, wrong } from './remark.ts';

const OUTBOX = { note: 1024 ** 3, wrong: 10 * 1024 ** 3 }; // bytes
const TAKEOVER = 1_500; // ms in which another instance takes the lock that one has lost
const NOBODY_LEADS = 'changes-are-not-numbered';

const Numbering = z.object({ leader: z.string().nullable(), is_ours: z.boolean(), instances: number });
type Numbering = z.infer<typeof Numbering>;

/** Who holds the leader's lock, and whether a change waits for its position. */
export async function lookAtNumbering({ session, pool, service }: Patient): Promise<Remark[]> {
  const look = () =>
    askOne(
      session,
      Numbering,
      `SELECT 'pid ' || l.pid || format(', role %s, application "%s"', a.usename, a.application_name) AS leader,
         coalesce(a.application_name = $1 || ' sequencer', false) AS is_ours,
         (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1 || ' listener') AS instances
       FROM (SELECT feed.lock_key('leader') AS key) AS wanted
       LEFT JOIN pg_locks AS l ON l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
         AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
         AND (l.classid::bigint << 32) + l.objid::bigint = wanted.key
       LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
       LIMIT 1`,
      [service],
    );
  let found = await look();
  if (found.instances > 0 && !found.is_ours) {
    await pause(TAKEOVER);
    found = await look();
  }
  const feed = await readFeedState(pool);
  return judgeNumbering({ ...found, waiting: feed.waiting ?? 0, isStuck: await isStuck(pool, feed) });
}

/** `waiting`: for how many seconds the oldest change without a position has waited. */
export function judgeNumbering({
  leader,
  is_ours: isOurs,
  instances,
  waiting,
  isStuck: stuck,
}: Numbering & { waiting: number; isStuck: boolean }): Remark[] {
  const waits = waiting > 0 ? `; a change waits for its position since ${showSeconds(waiting)}` : '';
  if (leader !== null && !isOurs)
    return [
      wrong('numbering', `the leader's lock is held by ${leader}${waits}`, {
        advice: 'end that session: SELECT pg_terminate_backend(…)',
        section: 'a-stranger-holds-a-lock',
      }),
    ];
  if (instances === 0)
    return [
      note('numbering', `no instance runs, so nothing is numbered${waits}`, {
        advice: 'npm start; what was written meanwhile gets its positions then',
        section: NOBODY_LEADS,
      }),
    ];
  if (!isOurs || stuck)
    return [
      wrong('numbering', `${isOurs ? 'the leader does not number' : 'no instance leads'}${waits}`, {
        advice: "look at the instances' logs; restart the one that leads",
        section: NOBODY_LEADS,
      }),
    ];
  return [fine('numbering', `one leads (${leader}), and nothing waits`)];
}

const Sizes = z.object({
  outbox: number,
  log: number,
  database: number,
  head: number,
  floor: number,
  day: number.nullable(),
  directory: z.string().nullable(),
});

/** The sizes of outbox and log, what comes a day, and the disk where it can be seen from here. */
export async function lookAtSizes(patient: Patient): Promise<Remark[]> {
  const found = await askOne(
    patient.session,
    Sizes,
    `SELECT
       pg_total_relation_size(to_regclass($1 || '.staged')) AS outbox,
       (SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree(to_regclass($1 || '.events'))) AS log,
       pg_database_size(current_database()) AS database,
       (SELECT last_position FROM feed.event_batches ORDER BY id DESC LIMIT 1) AS head,
       (SELECT floor FROM feed.log) AS floor,
       (SELECT max(last_position) FROM feed.event_batches WHERE at <= clock_timestamp() - interval '1 day') AS day,
       (SELECT setting FROM pg_settings WHERE name = 'data_directory') AS directory`,
    [schemasOf(patient.service).feed],
  );
  const growth = growthOf(found);
  const space = isLocal(patient) && found.directory !== null ? await spaceOf(found.directory) : undefined;
  return [
    judgeOutbox(found.outbox),
    ...judgeLog({ ...found, growth }, patient.settings),
    judgeDisk(space, growth),
    ...(await lookAtArchive(patient.settings.archive)),
  ];
}

interface Growth {
  events: number;
  bytes: number;
}

// The mean size of those that are kept, times the positions of the last day; of a log younger than that, all of them.
function growthOf({
  head,
  floor,
  day,
  log,
}: Pick<z.infer<typeof Sizes>, 'head' | 'floor' | 'day' | 'log'>): Growth {
  const kept = Math.max(1, head - floor);
  const events = Math.max(0, head - (day ?? 0));
  return { events, bytes: kept < 100 ? 0 : (events * log) / kept };
}

/** The outbox, of so many bytes. */
export function judgeOutbox(bytes: number): Remark {
  const text = `the table staged has ${showBytes(bytes)}`;
  const grade = gradeOf(bytes, OUTBOX);
  if (grade === 'ok') return fine('outbox', text);
  const advice = 'end the oldest transactions, then VACUUM the table staged';
  return { subject: 'outbox', grade, text, advice, section: 'the-outbox-is-large' };
}

function judgeLog(
  { log, database, head, floor, growth }: z.infer<typeof Sizes> & { growth: Growth },
  { retention }: Pick<Patient['settings'], 'retention'>,
): Remark[] {
  const kept = retention === undefined ? 'kept for ever' : `kept for ${showSeconds(retention)}`;
  return [
    fine(
      'log',
      `positions ${floor + 1} to ${head}, ${showBytes(log)} of the database's ${showBytes(database)}, ${kept}; ` +
        `${growth.events} events in the last day, some ${showBytes(growth.bytes)}`,
    ),
  ];
}

interface Space {
  free: number;
  total: number;
}

// A folder of that name on this machine is the server's if the address leads to this machine.
function isLocal({ settings: { directUrl } }: Patient): boolean {
  const { hostname } = new URL(directUrl);
  return hostname === '' || /^(localhost|127\..*|\[::1\])$/.test(hostname);
}

async function spaceOf(folder: string): Promise<Space | undefined> {
  if (!existsSync(folder)) return undefined;
  const { bavail, blocks, bsize } = await statfs(folder);
  return { free: bavail * bsize, total: blocks * bsize };
}

const DAYS = { note: 30, wrong: 7 };
const SHARES = { note: 0.1, wrong: 0.03 }; // of the disk that are free

/** The disk, and for how many days it lasts at this growth; undefined where it is not this machine's. */
export function judgeDisk(space: Space | undefined, growth: Growth): Remark {
  const section = 'the-log-grows-and-the-disk-fills';
  if (space === undefined)
    return note('disk', "the server's disk cannot be seen from here", {
      advice: `look at it there (df): the log grows by some ${showBytes(growth.bytes)} a day`,
      section,
    });
  const days = growth.bytes > 0 ? space.free / growth.bytes : Number.POSITIVE_INFINITY;
  const share = space.free / space.total;
  const lasts = days > 3_650 ? '' : `, which the log fills in ${Math.round(days)} days`;
  const text = `${showBytes(space.free)} of ${showBytes(space.total)} are free${lasts}`;
  const advice = 'set EVENT_RETENTION, make room, or enlarge the disk';
  if (days < DAYS.wrong || share < SHARES.wrong) return wrong('disk', text, { advice, section });
  if (days < DAYS.note || share < SHARES.note) return note('disk', text, { advice, section });
  return fine('disk', text);
}

async function lookAtArchive(folder: string | undefined): Promise<Remark[]> {
  if (folder === undefined) return [];
  try {
    await access(folder, constants.W_OK | constants.X_OK);
    return [fine('archive', `${folder} can be written to`)];
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    return [
      wrong('archive', `EVENT_ARCHIVE, ${folder}, cannot be written to from here (${reason})`, {
        advice: 'make the folder reachable for every instance: until then retention lets nothing go',
        section: 'retention-lets-nothing-go',
      }),
    ];
  }
}

const LATE = 3_600; // seconds

/** Whether the log goes as far back as it should, and no further; with an archive it goes by whole partitions, at no fixed time. */
export async function lookAtRetention({ session, settings }: Patient): Promise<Remark[]> {
  const { retention, archive } = settings;
  if (retention === undefined || archive !== undefined) return [];
  const [oldest] = await ask(
    session,
    z.object({ seconds: z.number() }),
    `SELECT extract(epoch FROM clock_timestamp() - time)::float8 AS seconds
     FROM feed.events
     WHERE position > (SELECT floor FROM feed.log)
     ORDER BY position
     LIMIT 1`,
  );
  return [judgeRetention(oldest?.seconds ?? 0, retention)];
}

/** The same, of the age of the oldest event, in seconds. */
export function judgeRetention(seconds: number, retention: number): Remark {
  const text = `the oldest event is ${showSeconds(seconds)} old; ${showSeconds(retention)} are kept`;
  if (seconds < retention + LATE) return fine('retention', text);
  return wrong('retention', text, {
    advice:
      'an instance whose login owns the log lets go, or npm run retention; their logs say what keeps them',
    section: 'retention-lets-nothing-go',
  });
}

const IN_A_ROW = 3;

const Runs = z.object({ kind: z.string(), failed: number, error: z.string().nullable() });

/** Background jobs whose last runs have failed. */
export async function lookAtRuns({ session }: Patient): Promise<Remark[]> {
  const runs = await ask(
    session,
    Runs,
    `SELECT kind, count(*) AS failed, (array_agg(error ORDER BY place))[1] AS error
     FROM (
       SELECT kind, status, error, row_number() OVER newest AS place,
         count(*) FILTER (WHERE status = 'succeeded') OVER newest AS succeeded
       FROM public.runs
       WHERE status IN ('succeeded', 'failed') AND finished_at > now() - interval '30 days'
       WINDOW newest AS (PARTITION BY kind ORDER BY finished_at DESC)
     ) AS ended
     WHERE succeeded = 0
     GROUP BY kind
     ORDER BY kind`,
  );
  return judgeRuns(runs);
}

/** The same, of how many have failed since the last that did not. */
export function judgeRuns(runs: readonly z.infer<typeof Runs>[]): Remark[] {
  if (runs.length === 0) return [fine('runs', 'the last of each kind did not fail')];
  return runs.map(({ kind, failed, error }) => ({
    subject: 'runs',
    grade: failed >= IN_A_ROW ? 'wrong' : 'note',
    text: `the last ${failed === 1 ? 'run' : `${failed} runs`} of ${kind} failed: ${error}`,
    advice: 'look whether the source answers from the instances, and at RATES_URL or TASK_SOURCES',
    section: 'runs-fail',
  }));
}
