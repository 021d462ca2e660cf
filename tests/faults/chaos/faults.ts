// What befalls the cluster: one fault after the other, now and then several at once, each healed in its own time.
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { closeSession, openSession } from '../../../src/postgres/session.ts';
import { SERVICE } from '../../helpers/database.ts';
import type { Random } from '../../helpers/random.ts';
import { until } from '../../helpers/until.ts';
import type { Cluster } from './cluster.ts';
import type { Recorder } from './history.ts';
import type { Instance } from './instance.ts';
import { transact } from './transaction.ts';

export interface Scene {
  cluster: Cluster;
  random: Random;
  recorder: Recorder;
  /** The longest that a fault lasts, in ms. */
  longest: number;
  /** No new fault from then on. */
  ending: AbortSignal;
}

// A fault befalls an instance, PostgreSQL, NATS where there is one, or somebody's session; two never befall the same at a time, but for sessions.
type Fault =
  | { name: string; weight: number; on: 'instance'; strike(scene: Scene, instance: Instance): Promise<void> }
  | {
      name: string;
      weight: number;
      on: 'postgres' | 'session' | 'nats';
      strike(scene: Scene): Promise<void>;
    };

const MOST_AT_ONCE = 3;

const FAULTS: readonly Fault[] = [
  { name: 'SIGKILL of an instance', weight: 4, on: 'instance', strike: kill },
  { name: 'SIGSTOP of an instance', weight: 3, on: 'instance', strike: freeze },
  { name: 'a cut cable', weight: 3, on: 'instance', strike: cut },
  { name: 'a stalled cable', weight: 3, on: 'instance', strike: stall },
  { name: 'terminated backends', weight: 5, on: 'session', strike: terminate },
  { name: 'a person idle in a transaction', weight: 3, on: 'session', strike: idle },
  { name: 'SELECT feed.new_log()', weight: 1, on: 'session', strike: beginNewLog },
  { name: 'PostgreSQL restarted', weight: 1, on: 'postgres', strike: ({ cluster }) => cluster.restart() },
  {
    name: 'PostgreSQL shut down at once',
    weight: 1,
    on: 'postgres',
    strike: scene => crash(scene, 'SIGQUIT'),
  },
  { name: 'SIGKILL of NATS', weight: 2, on: 'nats', strike: killNats },
  { name: 'SIGSTOP of NATS', weight: 2, on: 'nats', strike: freezeNats },
  { name: 'SIGKILL of the postmaster', weight: 1, on: 'postgres', strike: scene => crash(scene, 'SIGKILL') },
];

/** Resolves once it is to end and every fault is healed. */
export async function torment(scene: Scene): Promise<void> {
  const { random, ending, longest } = scene;
  const busy = new Set<string>();
  const present = new Set<Promise<void>>();
  while (!ending.aborted) {
    const chosen = random.weigh(FAULTS);
    if (present.size < MOST_AT_ONCE) {
      const fault = befall(chosen, scene, busy)
        .catch(error => scene.recorder.violated('the suite itself works', `${chosen.name}: ${error}`))
        .finally(() => present.delete(fault));
      present.add(fault);
    }
    await delay(random.below(longest / 3), undefined, { signal: ending }).catch(() => {}); // it ends
  }
  await Promise.all(present);
}

async function befall(fault: Fault, scene: Scene, busy: Set<string>): Promise<void> {
  const { recorder } = scene;
  const { name } = fault;
  if (fault.on === 'instance') return befallInstance(fault, scene, busy);
  if (busy.has(fault.on) || (fault.on === 'nats' && !scene.cluster.nats)) return;
  if (fault.on !== 'session') busy.add(fault.on);
  recorder.note(name, name);
  await fault.strike(scene).catch(error => recorder.note(`${name}: ${error.message}`));
  recorder.note(`${name}: over`);
  busy.delete(fault.on);
}

async function befallInstance(
  { name, strike }: Fault & { on: 'instance' },
  scene: Scene,
  busy: Set<string>,
): Promise<void> {
  const { cluster, random, recorder } = scene;
  const leading = await Promise.all(cluster.instances.map(instance => instance.leads()));
  const leader = cluster.instances[leading.indexOf(true)];
  const free = cluster.instances.filter(instance => !busy.has(instance.name));
  if (free.length === 0) return;
  const instance = leader && free.includes(leader) && random.chance(0.5) ? leader : random.pick(free);
  const kind = instance === leader ? `${name}, the leader` : name;
  busy.add(instance.name);
  recorder.note(`${kind}: ${instance.name}`, kind);
  await strike(scene, instance);
  recorder.note(`${name}: over, ${instance.name}`);
  busy.delete(instance.name);
}

const last = ({ random, longest }: Scene) => delay(100 + random.below(longest));

async function kill(scene: Scene, instance: Instance): Promise<void> {
  await instance.kill();
  await delay(scene.random.below(scene.longest / 4));
  instance.start();
}

async function freeze(scene: Scene, instance: Instance): Promise<void> {
  instance.signal('SIGSTOP');
  await last(scene);
  instance.signal('SIGCONT');
}

async function killNats({ cluster: { nats }, random, longest }: Scene): Promise<void> {
  await nats?.end('SIGKILL');
  await delay(random.below(longest / 2));
  await nats?.start();
}

async function freezeNats(scene: Scene): Promise<void> {
  scene.cluster.nats?.freeze();
  await last(scene);
  scene.cluster.nats?.thaw();
}

async function cut(scene: Scene, { cable }: Instance): Promise<void> {
  cable.cut();
  await delay(scene.random.below(scene.longest / 2));
  cable.mend();
}

// The network comes back as if nothing had been, or the connections turn out to be dead.
async function stall(scene: Scene, { cable }: Instance): Promise<void> {
  cable.stall();
  await last(scene);
  if (scene.random.chance(0.5)) return cable.unstall();
  cable.cut();
  cable.mend();
}

async function crash({ cluster, random }: Scene, signal: 'SIGQUIT' | 'SIGKILL'): Promise<void> {
  await cluster.crash(signal);
  if (random.chance(0.5)) await cluster.restart();
  await until(() => withSession(cluster, async () => true).catch(() => false));
}

// Everybody's but ours, the sequencers', the listeners', a pool's, or any one.
const WHOSE = [
  'true',
  `application_name = 'taskwire sequencer'`,
  `application_name = 'taskwire listener'`,
  `application_name = 'taskwire pool'`,
  'pid = (SELECT pid FROM others ORDER BY random() LIMIT 1)',
];

async function terminate({ cluster, random, recorder }: Scene): Promise<void> {
  const whose = random.pick(WHOSE);
  recorder.note(`backends are terminated where ${whose}`);
  await withSession(cluster, session =>
    session.query(`
      WITH others AS MATERIALIZED (
        SELECT pid, application_name FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend'
          AND application_name NOT IN ('taskwire chaos', '')
      )
      SELECT pg_terminate_backend(pid) FROM others WHERE ${whose}`),
  );
}

async function idle(scene: Scene): Promise<void> {
  const { cluster, random, recorder } = scene;
  await withSession(cluster, session =>
    transact({ session, recorder, tag: `person:${random.below(2 ** 32)}` }, async changes => {
      const { rows } = await session.query(
        `INSERT INTO public.tasks (title) VALUES ('a person looks at this for a while')
         RETURNING 'task_created' AS type, id AS subject, version::integer`,
      );
      changes.push(...rows);
      await last(scene);
      return random.pick(['COMMIT', 'ROLLBACK']);
    }),
  );
}

async function beginNewLog({ cluster }: Scene): Promise<void> {
  await withSession(cluster, session => session.query('SELECT feed.new_log()'));
}

async function withSession<Value>(
  { url }: Cluster,
  work: (session: pg.Client) => Promise<Value>,
): Promise<Value> {
  const session = await openSession({ service: SERVICE, url, name: 'chaos' });
  return work(session).finally(() => closeSession(session));
}
