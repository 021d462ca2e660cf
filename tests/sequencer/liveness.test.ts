// The sequencer itself, on a database where nothing else numbers: whatever was committed comes, also when no writer
// writes again and nothing looks by the clock. A gate holds its looks after they have taken their snapshot, so that
// commits and rings come at the moments that matter, and not only when chance lets them.
import test, { type ExecutionContext } from 'ava';
import type pg from 'pg';
import { createLogger } from '../../src/logger.ts';
import { readChannels } from '../../src/queries/log.ts';
import { createSequencer, type Sequencer } from '../../src/sequencer/sequencer.ts';
import type { TestDatabase } from '../helpers/database.ts';
import { createRandom, type Random } from '../helpers/random.ts';
import { readValue, withDatabase } from '../helpers/sql.ts';
import { until } from '../helpers/until.ts';

const GATE = `
  CREATE OR REPLACE FUNCTION wait_for_gate() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN NULL; END';
  CREATE OR REPLACE TRIGGER gate BEFORE INSERT ON feed.events EXECUTE FUNCTION wait_for_gate()`;
const HOLDER = `
  SELECT pid FROM pg_locks
  WHERE locktype = 'advisory' AND granted AND (classid::bigint << 32 | objid::bigint) = feed.lock_key($1)
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND mode = 'ExclusiveLock'`;
const GIVE_UP = 6_000; // ms: more than a resting leader takes to find out that its session is dead

interface Scene {
  psql: pg.Client;
  sequencer: Sequencer;
  /** From now on each look is held after its snapshot. */
  close(): Promise<void>;
  open(): Promise<void>;
  /** Lets the look that is held finish, and holds the next one. */
  passOne(): Promise<void>;
  /** Resolves when a look is held. */
  held(): Promise<void>;
  /** Resolves when the leader rests. */
  resting(): Promise<void>;
  /** Resolves when there are events of just these titles; rejects if they do not come though nothing is in their way. */
  came(titles: readonly string[]): Promise<void>;
}

async function setUp(t: ExecutionContext, database: TestDatabase): Promise<Scene> {
  const [psql, gate] = [await database.psql(), await database.psql()];
  await psql.query(GATE);
  const { doorbell } = await readChannels(database.pool);
  const sequencer = createSequencer({
    url: database.url,
    service: 'taskwire',
    doorbell,
    leads: () => {},
    numbered: () => {},
    clean: async () => null,
    logger: createLogger({ level: 'fatal', pretty: false }),
  });
  t.teardown(sequencer.stop);
  const close = async () => void (await gate.query('SELECT pg_advisory_lock(42)'));
  const open = async () => void (await gate.query('SELECT pg_advisory_unlock(42)'));
  const holder = (purpose: string) => readValue<number | undefined>(psql, HOLDER, [purpose]);
  return {
    psql,
    sequencer,
    close,
    open,
    passOne: async () => {
      await open(); // the look that waits gets the lock at once, and the next one waits behind us
      await close();
    },
    held: async () => {
      await until(async () => {
        const leader = await holder('leader');
        return leader && readValue<boolean>(psql, 'SELECT cardinality(pg_blocking_pids($1)) > 0', [leader]);
      });
    },
    resting: async () => void (await until(async () => (await holder('leader')) && holder('doorbell'))),
    came: async titles => {
      const wanted = [...titles].sort();
      const began = performance.now();
      await until(async () => {
        const { rows } = await psql.query(`SELECT data ->> 'title' AS title FROM feed.events`);
        const found = rows.map(row => row.title).sort();
        if (JSON.stringify(found) === JSON.stringify(wanted)) return true;
        const missing = wanted.filter(title => !found.includes(title));
        if (performance.now() - began > GIVE_UP) throw new Error(`there never came: ${missing.join(', ')}`);
        return false;
      });
    },
  };
}

const insert = (session: pg.Client, title: string) =>
  session.query('INSERT INTO public.tasks (title) VALUES ($1)', [title]);

test(
  'a change that rings while the leader looks for another one comes',
  withDatabase(async (t, database) => {
    const { psql, sequencer, close, open, held, resting, came } = await setUp(t, database);
    await sequencer.start();
    await resting();
    await close();
    await insert(psql, 'rung for');
    await held();
    await insert(psql, 'rung for during that look');
    await open();
    await t.notThrowsAsync(came(['rung for', 'rung for during that look']));
    await sequencer.stop();
  }),
);

test(
  'a change that was made in silence before a new leader rests for the first time comes',
  withDatabase(async (t, database) => {
    const { psql, sequencer, close, open, held, came } = await setUp(t, database);
    await close();
    await sequencer.start();
    await held();
    await insert(psql, 'in silence, during the first look');
    await open();
    await t.notThrowsAsync(came(['in silence, during the first look']));
    await sequencer.stop();
  }),
);

test(
  'a change that rings while a new leader is about to rest for the first time comes',
  withDatabase(async (t, database) => {
    const { psql, sequencer, close, open, passOne, held, resting, came } = await setUp(t, database);
    await close();
    await sequencer.start();
    await held();
    await passOne();
    await resting(); // or about to: it has the lock, and looks one last time
    await held();
    await insert(psql, 'rung for, during the last look');
    await open();
    await t.notThrowsAsync(came(['rung for, during the last look']));
    await sequencer.stop();
  }),
);

// What writers may do, and what befalls the leader's looks, one step after the other.
interface Stage {
  scene: Scene;
  random: Random;
  writers: Writer[];
  committed: string[];
  /** What was done, to be told if something did not come. */
  steps: string[];
  isClosed: boolean;
}

interface Writer {
  session: pg.Client;
  /** Titles of its open transaction. */
  open: string[] | undefined;
}

const STEPS: readonly { weight: number; name: string; take(stage: Stage, writer: Writer): Promise<void> }[] =
  [
    { weight: 6, name: 'writes', take: write },
    { weight: 2, name: 'begins', take: begin },
    { weight: 3, name: 'ends', take: end },
    { weight: 2, name: 'writes and takes it back', take: takeBack },
    { weight: 2, name: 'burst', take: burst },
    { weight: 2, name: 'closes the gate', take: closeGate },
    { weight: 2, name: 'lets a look pass', take: passOne },
    { weight: 2, name: 'opens the gate', take: openGate },
    { weight: 3, name: 'waits', take: pause },
  ];

let written = 0;

async function write({ committed, steps }: Stage, writer: Writer): Promise<void> {
  const title = `change ${++written}`;
  steps.push(title);
  await insert(writer.session, title);
  (writer.open ?? committed).push(title);
}

async function begin(stage: Stage, writer: Writer): Promise<void> {
  if (writer.open) return;
  await writer.session.query('BEGIN');
  writer.open = [];
  await write(stage, writer);
}

async function end({ committed, random }: Stage, writer: Writer): Promise<void> {
  if (!writer.open) return;
  const commits = random.chance(0.7);
  await writer.session.query(commits ? 'COMMIT' : 'ROLLBACK');
  if (commits) committed.push(...writer.open);
  writer.open = undefined;
}

async function takeBack(_: Stage, { session, open }: Writer): Promise<void> {
  await session.query(open ? 'SAVEPOINT s' : 'BEGIN');
  await insert(session, `taken back ${++written}`);
  await session.query(open ? 'ROLLBACK TO s' : 'ROLLBACK');
}

async function burst(stage: Stage): Promise<void> {
  await Promise.all(stage.writers.map(writer => write(stage, writer)));
}

async function closeGate(stage: Stage): Promise<void> {
  if (!stage.isClosed) await stage.scene.close();
  stage.isClosed = true;
}

async function openGate(stage: Stage): Promise<void> {
  if (stage.isClosed) await stage.scene.open();
  stage.isClosed = false;
}

async function passOne({ scene, isClosed }: Stage): Promise<void> {
  if (isClosed) await scene.passOne();
}

async function pause({ random, scene }: Stage): Promise<void> {
  for (let rounds = random.below(40); rounds > 0; rounds--) await scene.psql.query('SELECT 1');
}

async function play(stage: Stage, length: number): Promise<void> {
  const { random, writers, steps } = stage;
  for (let step = 0; step < length; step++) {
    const { name, take } = random.weigh(STEPS);
    steps.push(name);
    await take(stage, random.pick(writers));
  }
  // The stragglers, while the leader looks or rests, and then silence.
  await openGate(stage);
  for (const writer of writers) {
    await pause(stage);
    await end(stage, writer);
  }
}

for (const isNew of [false, true]) {
  test(
    `whatever writers do and however long looks take, everything comes, and then they are silent${isNew ? ': under new leaders' : ''}`,
    withDatabase(async (t, database) => {
      t.timeout(60_000);
      const random = createRandom(t.log);
      const sessions = await Promise.all(Array.from({ length: 4 }, () => database.psql()));
      const writers = sessions.map((session): Writer => ({ session, open: undefined }));
      const committed: string[] = [];
      let scene = await setUp(t, database);
      if (!isNew) await scene.sequencer.start();
      for (let round = 0; round < (isNew ? 15 : 40); round++) {
        const stage: Stage = { scene, random, writers, committed, steps: [], isClosed: false };
        if (isNew && random.chance(0.7)) await closeGate(stage);
        if (isNew) await scene.sequencer.start();
        await play(stage, 1 + random.below(15));
        await scene.came(committed).catch((error: Error) => {
          t.fail(`round ${round}: ${stage.steps.join(', ')}: ${error.message}`);
          throw error;
        });
        t.pass();
        if (!isNew) continue;
        await scene.sequencer.stop();
        scene = await setUp(t, database);
      }
      await scene.sequencer.stop();
    }),
  );
}
