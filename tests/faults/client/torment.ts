// A client in front of two instances that are killed, cut off and stalled, whose machine sleeps, while others and it itself
// write: what it showed, and everything that was wrong with it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import type { Client, Task } from '../../../src/client/client.ts';
import { type Cable, createCable } from '../../helpers/cable.ts';
import { listAll } from '../../helpers/client.ts';
import { type ClientScene, loadClient } from '../../helpers/client_scene.ts';
import type { TestDatabase } from '../../helpers/database.ts';
import { findLastingPort } from '../../helpers/port.ts';
import type { Random } from '../../helpers/random.ts';
import { until } from '../../helpers/until.ts';
import { createWitness, type Witness } from './witness.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const SPEED = 10; // of the client's clock, so that its patience is ours
const HOUR = 3_600_000; // ms

/** What came of it. */
export interface Outcome {
  faults: Record<string, number>;
  /** How often the client called back. */
  frames: number;
  events: number;
  /** Of the client's own changes: how many happened, and how many were refused. */
  changes: { made: number; refused: number };
  violations: string[];
  /** What the client shows at last, and what the table holds. */
  shown: readonly Task[];
  stored: Task[];
}

interface Scene {
  random: Random;
  cable: Cable;
  instances: Instance[];
  client: Client;
  world: ClientScene;
  psql: pg.Client;
}

/** Torments a client so many times and heals everything. */
export async function torment(
  database: TestDatabase,
  random: Random,
  { faults: count }: { faults: number },
): Promise<Outcome> {
  const instances = await Promise.all([0, 1].map(() => startInstance(database.url)));
  const cable = await createCable(new URL(instances[0]?.address ?? ''));
  const world = await loadClient({ speed: SPEED });
  const witness = createWitness();
  const url = new URL(cable.through('http://127.0.0.1/')).origin;
  const client = world.connect({ url, onError: error => witness.violated(`said aloud: ${error.message}`) });
  const [psql, person] = [await database.psql(), await database.psql()];
  await psql.query(`INSERT INTO tasks (title) SELECT 'old ' || n FROM generate_series(1, 100) AS n`);
  const scene = { random, cable, instances, client, world, psql };
  const open = client.collection('tasks', { sort: 'title' });
  open.subscribe(() => witness.saw(open.snapshot()));
  const listening = new AbortController();
  const heard = listen(client, witness, listening.signal);
  await open.ready;
  const writing = new AbortController();
  const writers = [
    write(person, random.fork(), writing.signal),
    change(client, random.fork(), witness, writing.signal),
  ];
  const faults: Record<string, number> = {};
  for (let index = 0; index < count; index++) {
    const fault = random.weigh(FAULTS);
    faults[fault.name] = (faults[fault.name] ?? 0) + 1;
    await fault.strike(scene);
    await delay(random.below(20));
  }
  writing.abort();
  cable.mend();
  cable.unstall();
  await Promise.all(instances.map(instance => instance.isUp()));
  world.calm();
  world.say('online');
  await Promise.all(writers);
  await until(() => client.pending.length === 0);
  const stored = await listAll<Task>(instances[0]?.address ?? '', '/tasks?sort=title');
  await Promise.race([until(() => equals(open.items, stored)), delay(30_000)]);
  await Promise.race([until(() => witness.heardUntil() === client.position), delay(5_000)]);
  listening.abort();
  await psql.query(`INSERT INTO tasks (title) VALUES ('wakes who listens')`);
  await heard;
  await checkEvents(witness, psql);
  const outcome = {
    faults,
    frames: witness.frames,
    events: witness.positions.length,
    changes: witness.changes,
    violations: witness.violations,
    shown: open.items.filter(({ title }) => title !== 'wakes who listens'),
    stored,
  };
  client.close();
  for (const instance of instances) instance.end();
  cable.cut();
  return outcome;
}

const equals = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other);

interface Fault {
  name: string;
  weight: number;
  strike(scene: Scene): Promise<void>;
}

const FAULTS: readonly Fault[] = [
  { name: 'cut', weight: 40, strike: cut },
  { name: 'stalled', weight: 20, strike: stall },
  { name: 'slept', weight: 20, strike: sleep },
  { name: 'led to the other instance', weight: 12, strike: lead },
  { name: 'instance killed', weight: 5, strike: kill },
  { name: 'instance stopped', weight: 2, strike: stop },
  { name: 'another log', weight: 1, strike: beginNewLog },
];

async function cut({ cable, random, world }: Scene): Promise<void> {
  cable.cut();
  await delay(random.below(60));
  cable.mend();
  if (random.chance(0.3)) world.say('online');
}

async function stall({ cable, random }: Scene): Promise<void> {
  cable.stall();
  await delay(random.below(150));
  if (random.chance(0.5)) return cable.unstall();
  cable.cut();
  cable.mend();
}

// The machine wakes: the clock is an hour on, and its connections are dead, or not.
async function sleep({ cable, random, world }: Scene): Promise<void> {
  cable.stall();
  world.skip(random.below(2 * HOUR));
  await delay(random.below(30));
  if (random.chance(0.5)) cable.unstall();
  else cable.strand();
  world.say('visibilitychange');
}

async function lead({ cable, random, instances }: Scene): Promise<void> {
  cable.leadTo(new URL(random.pick(instances).address));
}

async function kill({ random, instances, cable }: Scene): Promise<void> {
  const instance = random.pick(instances);
  void instance.replace('SIGKILL');
  const other = instances.find(each => each !== instance);
  if (other && random.chance(0.7)) cable.leadTo(new URL(other.address));
}

async function stop({ random, instances, cable }: Scene): Promise<void> {
  const instance = random.pick(instances);
  void instance.replace('SIGTERM');
  const other = instances.find(each => each !== instance);
  if (other) cable.leadTo(new URL(other.address));
}

async function beginNewLog({ psql }: Scene): Promise<void> {
  await psql.query('SELECT feed.new_log()');
}

interface Instance {
  address: string;
  /** Ends the process and starts another one; while that is under way, nothing. */
  replace(signal: NodeJS.Signals): Promise<void>;
  isUp(): Promise<void>;
  end(): void;
}

async function startInstance(databaseUrl: string): Promise<Instance> {
  const port = await findLastingPort();
  const address = `http://127.0.0.1:${port}`;
  const env = {
    PATH: process.env.PATH,
    DATABASE_URL: databaseUrl,
    DATABASE_POOL_SIZE: '5',
    PORT: `${port}`,
    GENERATOR_CRON: 'off',
    RATES_CRON: 'off',
    LOG_LEVEL: 'fatal',
  };
  const start = () =>
    spawn(process.execPath, ['src/main.ts'], { cwd: ROOT, env, stdio: ['ignore', 'ignore', 'inherit'] });
  const isUp = async () =>
    void (await until(() =>
      fetch(`${address}/health/ready`).then(
        answer => answer.ok,
        () => false,
      ),
    ));
  let child: ChildProcess = start();
  let replacing: Promise<void> | undefined;
  await isUp();

  async function replace(signal: NodeJS.Signals): Promise<void> {
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
    child = start();
    await isUp();
    replacing = undefined;
  }
  return {
    address,
    replace: signal => {
      replacing ??= replace(signal);
      return replacing;
    },
    isUp: async () => void (await replacing),
    end: () => child.kill('SIGKILL'),
  };
}

// Somebody else, who changes what is not the client's.
async function write(psql: pg.Client, random: Random, signal: AbortSignal): Promise<void> {
  const any = `(SELECT id FROM tasks WHERE title LIKE 'old%' ORDER BY random() LIMIT 1)`;
  while (!signal.aborted) {
    await psql.query(
      random.pick([
        `INSERT INTO tasks (title) VALUES ('old ' || ${random.below(1_000_000)})`,
        `UPDATE tasks SET priority = 'high', description = '${random.below(1_000_000)}' WHERE id = ${any}`,
        `UPDATE tasks SET title = 'old ' || ${random.below(1_000_000)} WHERE id = ${any}`,
        `DELETE FROM tasks WHERE id = ${any}`,
      ]),
    );
    await delay(random.below(20));
  }
}

// The client's user, who makes tasks and counts them up; nobody else touches them.
async function change(client: Client, random: Random, witness: Witness, signal: AbortSignal): Promise<void> {
  const under = new Set<Promise<void>>();
  for (let made = 0; !signal.aborted; made++) {
    const work = one(client, `own ${made}`, random.fork(), witness).finally(() => under.delete(work));
    under.add(work);
    await delay(50 + random.below(200));
  }
  await Promise.all(under);
}

async function one(client: Client, key: string, random: Random, witness: Witness): Promise<void> {
  try {
    const labels = [key];
    const made = await client.tasks.create({ title: 'mine 00', labels });
    witness.changes.made++;
    let { version } = made;
    for (let count = 1; count < 4; count++) {
      const guard = random.chance(0.5) ? { version } : {};
      const task = await client.tasks.update(made.id, { title: `mine 0${count}` }, guard);
      if (task.version !== version + 1)
        witness.violated(`${key} was changed ${task.version - version} times, not once`);
      version = task.version;
      witness.changes.made++;
    }
    if (random.chance(0.9)) {
      witness.deleting(key);
      await client.tasks.delete(made.id);
    }
  } catch (error) {
    witness.changes.refused++;
    witness.violated(`${key} was refused: ${error}`);
  }
}

async function listen(client: Client, witness: Witness, signal: AbortSignal): Promise<void> {
  while (!signal.aborted)
    try {
      for await (const event of client.events({ topic: 'tasks', signal })) witness.heard(event.position);
    } catch (error) {
      if ((error as { status?: number }).status !== 410) throw error;
      witness.wasReset();
    }
}

// Between two resets every event of the log.
async function checkEvents(witness: Witness, psql: pg.Client): Promise<void> {
  for (const run of witness.runs.filter(({ length }) => length > 0)) {
    const { rows } = await psql.query(
      `SELECT "position"::int FROM feed.events WHERE topic = 'tasks' AND "position" BETWEEN $1 AND $2 ORDER BY 1`,
      [run[0], run.at(-1)],
    );
    if (
      !equals(
        rows.map(({ position }) => position),
        run,
      )
    )
      witness.violated(`of ${rows.length} events from ${run[0]} to ${run.at(-1)} ${run.length} came`);
  }
}
