// The server: its release, what it is set to, whether it takes writes, and how far its transaction ids have gone.
import type pg from 'pg';
import { z } from 'zod';
import { ServiceError } from '../errors.ts';
import { refuseUnfitServer } from '../postgres/preflight.ts';
import { ask, askOne, number, type Patient } from './patient.ts';
import { fine, gradeOf, note, type Remark, wrong } from './remark.ts';

const SERVER = 'PostgreSQL';
const AGES = { note: 500_000_000, wrong: 1_000_000_000 }; // transaction ids; PostgreSQL stops at two thousand million
const UNFIT = 'the-server-is-unfit-or-has-a-known-fault';

/** Its release and encoding: what a start would refuse or warn of. */
export async function lookAtRelease({ session, service }: Patient): Promise<Remark[]> {
  const { shown } = await askOne(
    session,
    z.object({ shown: z.string() }),
    `SELECT current_setting('server_version') AS shown`,
  );
  try {
    const warning = await refuseUnfitServer(session, service);
    if (warning === undefined) return [fine(SERVER, `version ${shown}`)];
    return [wrong(SERVER, warning, { advice: 'install the minor release and restart it', section: UNFIT })];
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    return [
      wrong(SERVER, error.message, { advice: 'let DATABASE_URL lead to one that is fit', section: UNFIT }),
    ];
  }
}

/** Whether it is a primary that takes writes. */
export async function lookAtWrites({ session }: Patient): Promise<Remark[]> {
  const { standby, read_only: readOnly } = await askOne(
    session,
    z.object({ standby: z.boolean(), read_only: z.boolean() }),
    `SELECT pg_is_in_recovery() AS standby,
       coalesce((SELECT reset_val = 'on' FROM pg_settings WHERE name = 'default_transaction_read_only'), false) AS read_only`,
  );
  const section = 'the-database-takes-no-changes';
  if (standby)
    return [
      wrong('writes', 'the address leads to a standby', {
        advice: 'promote it, or let DATABASE_URL lead to the primary',
        section,
      }),
    ];
  if (readOnly)
    return [
      note('writes', 'default_transaction_read_only is on; the service sets it off for itself', {
        advice: 'find out who set it, and why: a provider does it to a disk that is nearly full',
        section,
      }),
    ];
  return [fine('writes', 'the server is a primary and takes them')];
}

const NEEDED_ON = ['fsync', 'full_page_writes', 'autovacuum', 'track_counts'];

/** Settings without which data is lost in a crash, or swells. */
export async function lookAtSettings({ session }: Patient): Promise<Remark[]> {
  const found = await ask(
    session,
    z.object({ name: z.string(), setting: z.string() }),
    `SELECT name, setting FROM pg_settings WHERE name = ANY ($1) OR name = 'synchronous_commit' ORDER BY name`,
    [NEEDED_ON],
  );
  const off = found.filter(({ name, setting }) => NEEDED_ON.includes(name) && setting === 'off');
  if (off.length > 0)
    return off.map(({ name }) =>
      wrong('settings', `${name} is off`, {
        advice: `ALTER SYSTEM SET ${name} = on; SELECT pg_reload_conf()`,
        section: UNFIT,
      }),
    );
  if (found.some(({ name, setting }) => name === 'synchronous_commit' && setting === 'off'))
    return [
      note('settings', 'synchronous_commit is off: a crash takes the last changes along, as if never made', {
        advice: 'leave it if that is meant; events that were told are always flushed',
        section: UNFIT,
      }),
    ];
  return [fine('settings', `${NEEDED_ON.join(', ')} are on`)];
}

/** How near the database is to the end of its transaction ids. */
export async function lookAtTransactionIds({ session }: Patient): Promise<Remark[]> {
  const { age } = await askOne(
    session,
    z.object({ age: number }),
    `SELECT greatest(age(datfrozenxid), mxid_age(datminmxid)) AS age FROM pg_database WHERE datname = current_database()`,
  );
  return [judgeTransactionIds(age)];
}

/** The same, of an age in transactions. */
export function judgeTransactionIds(age: number): Remark {
  const text = `the oldest is ${Math.round(age / 1e6)} million transactions old`;
  const grade = gradeOf(age, AGES);
  if (grade === 'ok') return fine('transaction ids', text);
  const advice = 'find what holds vacuum back, see below, and VACUUM (FREEZE) the oldest tables';
  return { subject: 'transaction ids', grade, text, advice, section: UNFIT };
}

const CLOCK_TRIES = 3;
const CLOCKS = { note: 1, wrong: 10 }; // seconds

/** This machine's clock beside the server's, and whether the server's has gone back. */
export async function lookAtClocks({ session }: Patient): Promise<Remark[]> {
  const readings: Reading[] = [];
  for (let i = 0; i < CLOCK_TRIES; i++) readings.push(await readClock(session));
  const best = readings.reduce((a, b) => (a.doubt <= b.doubt ? a : b));
  const { ahead } = await askOne(
    session,
    z.object({ ahead: z.number().nullable() }),
    `SELECT extract(epoch FROM max(at) - clock_timestamp())::float8 AS ahead FROM feed.event_batches`,
  );
  return judgeClocks({ ...best, ahead: ahead ?? 0 });
}

interface Reading {
  /** How far the server's clock is ahead, in seconds, and how sure that is: half of the question's way. */
  offset: number;
  doubt: number;
}

async function readClock(session: pg.Client): Promise<Reading> {
  const before = Date.now() / 1000;
  const { now } = await askOne(
    session,
    z.object({ now: z.number() }),
    'SELECT extract(epoch FROM clock_timestamp())::float8 AS now',
  );
  const after = Date.now() / 1000;
  return { offset: now - (before + after) / 2, doubt: (after - before) / 2 };
}

/** `ahead`: by how many seconds the newest batch of the log is later than the server's clock. */
export function judgeClocks({ offset, doubt, ahead }: Reading & { ahead: number }): Remark[] {
  const section = 'the-clocks-differ';
  const apart = Math.max(0, Math.abs(offset) - doubt);
  const text =
    apart < CLOCKS.note
      ? "this machine's and the server's agree"
      : `the server's clock is ${apart.toFixed(1)} s ${offset > 0 ? 'ahead of' : 'behind'} this machine's`;
  const grade = gradeOf(apart, CLOCKS);
  const advice = 'set both by NTP';
  const here: Remark =
    grade === 'ok' ? fine('clocks', text) : { subject: 'clocks', grade, text, advice, section };
  if (ahead < CLOCKS.note) return [here];
  const words = `the log was last numbered ${Math.round(ahead)} s from now: the server's clock has gone back`;
  return [
    here,
    wrong('clocks', words, {
      advice: 'set it by NTP; as_of a time is wrong until it has caught up',
      section,
    }),
  ];
}
