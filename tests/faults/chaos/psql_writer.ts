// A client like psql: transactions of several statements, with all that SQL allows.
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { closeSession, openSession } from '../../../src/postgres/session.ts';
import { SERVICE } from '../../helpers/database.ts';
import type { Random } from '../../helpers/random.ts';
import type { Change, Recorder } from './history.ts';
import { type End, transact } from './transaction.ts';

export interface WriterOptions {
  name: string;
  random: Random;
  recorder: Recorder;
  /** Ends it, between two transactions. */
  ending: AbortSignal;
}

const THINKING = 80; // ms at most, between two transactions
const SETTINGS = `SET lock_timeout = '3s'; SET deadlock_timeout = '50ms'`;

/** A task that somebody follows alone. */
export const FOLLOWED = '0198c0de-0000-7000-8000-000000000000';

/** Writes, session after session, until it is to end. Without `durable` the server may forget what it committed. */
export async function writeAsPsql(options: WriterOptions & { url: string; durable: boolean }): Promise<void> {
  const { name, ending, random, recorder, url, durable } = options;
  let count = 0;
  while (!ending.aborted) {
    let session: pg.Client | undefined;
    try {
      session = await openSession({ service: SERVICE, url, name: 'chaos writer' });
      await session.query(SETTINGS);
      if (!durable) await session.query('SET synchronous_commit = off');
      for (; !ending.aborted; await delay(random.below(THINKING))) {
        const own = session;
        const tag = `${name}:${++count}`;
        await transact({ session, recorder, tag, durable }, changes => work(own, random, changes));
      }
    } catch {
      recorder.count('sessions that a writer lost'); // or did not get: PostgreSQL is away, which is what we are here for
      await delay(200);
    } finally {
      if (session) await closeSession(session);
    }
  }
}

async function work(session: pg.Client, random: Random, changes: Change[]): Promise<End> {
  for (let step = random.below(5); step >= 0; step--) {
    const savepoint = random.chance(0.3);
    const before = changes.length;
    if (savepoint) await session.query('SAVEPOINT s');
    changes.push(...(await random.weigh(CHANGES).make(session, random)));
    if (!savepoint) continue;
    const undone = random.chance(0.5);
    await session.query(undone ? 'ROLLBACK TO SAVEPOINT s' : 'RELEASE SAVEPOINT s');
    if (undone) changes.length = before;
  }
  if (random.chance(0.02)) await delay(random.below(3_000));
  return random.chance(0.2) ? 'ROLLBACK' : 'COMMIT';
}

// Neighbours in one order most of the time, so that writers meet at rows, and deadlock only now and then.
const SOME = 'id IN (SELECT id FROM public.tasks ORDER BY id OFFSET $1 LIMIT $2)';
const some = (random: Random, most: number) => [random.below(60), 1 + random.below(most)];

interface Kind {
  weight: number;
  make(session: pg.Client, random: Random): Promise<Change[]>;
}

const CHANGES: readonly Kind[] = [
  { weight: 30, make: (session, random) => insert(session, 1 + random.below(3)) },
  { weight: 1.5, make: (session, random) => insert(session, 100 + random.below(300)) },
  { weight: 35, make: update },
  { weight: 10, make: touch },
  { weight: 15, make: (session, random) => remove(session, some(random, 2)) },
  { weight: 2, make: (session, random) => remove(session, some(random, 500)) },
  { weight: 6, make: insertAgain },
  { weight: 6, make: (session, random) => writeFollowed(session, `followed ${random.below(2 ** 32)}`) },
  { weight: 0.1, make: truncate },
];

async function insert(session: pg.Client, count: number): Promise<Change[]> {
  const { rows } = await session.query(
    `INSERT INTO public.tasks (title) SELECT 'task' FROM generate_series(1, $1)
     RETURNING 'task_created' AS type, id AS subject, version::integer`,
    [count],
  );
  return rows;
}

async function update(session: pg.Client, random: Random): Promise<Change[]> {
  const { rows } = await session.query(
    `UPDATE public.tasks SET title = $3, status = $4 WHERE ${SOME}
     RETURNING 'task_updated' AS type, id AS subject, version::integer`,
    [
      ...some(random, 3),
      `title ${random.below(2 ** 32)}`,
      random.pick(['todo', 'todo', 'in_progress', 'done']),
    ],
  );
  return rows;
}

/** Writes to FOLLOWED, and makes it if it is not there. */
export async function writeFollowed(session: pg.Client, title: string): Promise<Change[]> {
  const { rows } = await session.query(
    `INSERT INTO public.tasks (id, title) VALUES ($1, $2)
     ON CONFLICT (id) DO UPDATE SET title = excluded.title, status = excluded.status
     RETURNING CASE WHEN xmax = 0 THEN 'task_created' ELSE 'task_updated' END AS type, id AS subject, version::integer`,
    [FOLLOWED, title],
  );
  return rows;
}

// Changes nothing, so it is no event.
async function touch(session: pg.Client, random: Random): Promise<Change[]> {
  await session.query(`UPDATE public.tasks SET title = title WHERE ${SOME}`, some(random, 3));
  return [];
}

async function remove(session: pg.Client, values: unknown[]): Promise<Change[]> {
  const { rows } = await session.query(
    `DELETE FROM public.tasks WHERE ${SOME}
     RETURNING 'task_deleted' AS type, id AS subject, version::integer`,
    values,
  );
  return rows;
}

// A row comes back under its id: its version goes on.
async function insertAgain(session: pg.Client): Promise<Change[]> {
  const gone = await remove(session, [0, 1]);
  const { rows } = await session.query(
    `INSERT INTO public.tasks (id, title) SELECT id, 'again' FROM unnest($1::uuid[]) AS id
     RETURNING 'task_created' AS type, id AS subject, version::integer`,
    [gone.map(({ subject }) => subject)],
  );
  return [...gone, ...rows];
}

async function truncate(session: pg.Client): Promise<Change[]> {
  await session.query('LOCK TABLE public.tasks IN ACCESS EXCLUSIVE MODE');
  const { rows } = await session.query(
    `SELECT 'task_deleted' AS type, id AS subject, version::integer FROM public.tasks ORDER BY id`,
  );
  await session.query('TRUNCATE public.tasks');
  return rows;
}
