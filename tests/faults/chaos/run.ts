// A run from beginning to end: a cluster, everybody who uses it, everything that befalls it, and the judgement.
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { closeSession, openSession } from '../../../src/postgres/session.ts';
import { SERVICE } from '../../helpers/database.ts';
import type { Random } from '../../helpers/random.ts';
import { check } from './check.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { collect, type Stored } from './collect.ts';
import { torment } from './faults.ts';
import { createRecorder, type Recorder, type Violation } from './history.ts';
import { INTERESTS } from './interests.ts';
import { createListener, type Listener } from './listener.ts';
import { writeAsPsql, writeFollowed } from './psql_writer.ts';
import { writeAsClient } from './rest_writer.ts';
import { transact } from './transaction.ts';

export interface ChaosOptions {
  random: Random;
  /** How long faults go on, in ms; healing and judging come on top. */
  duration: number;
  /** The longest that a single fault lasts, in ms. */
  longest: number;
  instances: number;
  /** How many edges besides; with one there is a NATS, which is tormented too. */
  edges: number;
  /** How many of each: writers like psql, REST clients. */
  each: number;
  /** How many of each interest. */
  listeners: number;
  /** Whether the log is cut off after seconds, and archived: listeners are served from there. */
  retention: boolean;
  /** Ends the faults early. */
  signal?: AbortSignal;
}

export interface Outcome {
  violations: readonly Violation[];
  recorder: Recorder;
  stored: Stored;
}

const HEALING = 60_000; // ms that everything may take, once no more faults come
const PROBES = 5; // changes, each on its own in silence, once all is healed
const LONGEST_WAIT = 5_000; // ms from the commit of such a change to its event: no later writer wakes the leader for it
// What a client could not know when it resets, and what it must not be told.
const OTHER_LOG = 'resets: other_log';

/** Runs the suite. Resolves with every broken promise; rejects only when the suite itself cannot go on. */
export async function runChaos(options: ChaosOptions): Promise<Outcome> {
  const recorder = createRecorder();
  const over = new AbortController();
  const cluster = await startCluster(options, recorder);
  try {
    const listeners = listen(cluster, options, recorder, over.signal);
    await writeUnderFaults(cluster, options, recorder, over.signal);
    for (const listener of listeners) listener.calm();
    const stored = await settle(cluster, listeners, recorder);
    judgeResets(recorder);
    const violations = [...recorder.violations, ...check({ ...recorder, ...stored })];
    return { violations, recorder, stored };
  } finally {
    over.abort();
    await cluster.stop();
  }
}

function listen(
  { instances }: Cluster,
  { listeners: count, random }: ChaosOptions,
  recorder: Recorder,
  ending: AbortSignal,
): Listener[] {
  const addresses = instances.map(({ address }) => address);
  return INTERESTS.flatMap(interest =>
    Array.from({ length: count }, (_, index) => {
      const named = { ...interest, name: `${interest.name} ${index + 1}` };
      return createListener({ interest: named, addresses, random: random.fork(), recorder, ending });
    }),
  );
}

// Writers go on until the last fault is healed, so that each is followed by something to number.
async function writeUnderFaults(
  cluster: Cluster,
  options: ChaosOptions,
  recorder: Recorder,
  over: AbortSignal,
): Promise<void> {
  const { random, each, longest, duration, signal } = options;
  const [faults, writing] = [new AbortController(), new AbortController()];
  const addresses = cluster.cores.map(({ address }) => address);
  const ending = AbortSignal.any([writing.signal, over]);
  const common = () => ({ recorder, random: random.fork(), ending });
  const writers = Array.from({ length: each }, (_, index) => [
    // One of them does not mind what a crash takes along.
    writeAsPsql({ ...common(), name: `psql-${index + 1}`, url: cluster.url, durable: index > 0 }),
    writeAsClient({ ...common(), name: `rest-${index + 1}`, addresses }),
  ]).flat();
  const tormented = torment({ cluster, recorder, random: random.fork(), longest, ending: faults.signal });
  await delay(duration, undefined, signal && { signal }).catch(() => {}); // sooner, if asked to
  faults.abort();
  await tormented;
  recorder.note('no more faults');
  let why = '';
  await within('every instance is ready again', recorder, async () => {
    const ready = await Promise.all(cluster.instances.map(instance => instance.isReady()));
    if (ready.every(Boolean)) return true;
    const said = await Promise.all(
      cluster.instances.map(({ address }) =>
        fetch(`${address}/health/ready`).then(answer => answer.text(), String),
      ),
    );
    why = said.join(' ');
    return undefined;
  });
  if (why !== '') recorder.note(`before they were ready: ${why}`);
  writing.abort();
  await Promise.all(writers);
  recorder.note('no more writers');
}

// One more change, which everybody wants, tells when everybody has everything.
async function settle(cluster: Cluster, listeners: readonly Listener[], recorder: Recorder): Promise<Stored> {
  const session = await openSession({ service: SERVICE, url: cluster.url, name: 'chaos' });
  try {
    for (let probe = 1; probe <= PROBES; probe++)
      await writeAndWait(session, recorder, `probe ${probe}`, LONGEST_WAIT);
    const end = await writeAndWait(session, recorder, 'the end', HEALING);
    await within('every listener has everything', recorder, async () =>
      listeners.every(listener => listener.has(end?.position ?? 0, end?.log ?? '')),
    );
    if (cluster.archive !== undefined)
      await within('old partitions go', recorder, async () => {
        const { rows } = await session.query<{ gone: boolean }>(
          'SELECT e.position > 1 AS gone FROM feed.events AS e ORDER BY e.position LIMIT 1',
        );
        return rows[0]?.gone;
      });
    const stored = await within('there is a quiet moment', recorder, () => collect(session, cluster.archive));
    if (!stored) throw new Error('there is something staged that nobody numbers: nothing can be judged');
    return stored;
  } finally {
    await closeSession(session);
  }
}

// Where the change was numbered, in how many milliseconds at most.
async function writeAndWait(session: pg.Client, recorder: Recorder, tag: string, most: number) {
  await transact({ session, recorder, tag }, async changes => {
    changes.push(...(await writeFollowed(session, tag)));
    return 'COMMIT';
  });
  const look = async () => {
    const { rows } = await session.query<{ position: number; log: string }>(
      'SELECT position::integer, log.id::text AS log FROM feed.events, feed.log WHERE requestid = $1',
      [tag],
    );
    return rows[0];
  };
  return within('what was committed is numbered', recorder, look, most);
}

async function within<Value>(
  promise: string,
  recorder: Recorder,
  look: () => Promise<Value | undefined>,
  most = HEALING,
): Promise<Value | undefined> {
  const deadline = Date.now() + most;
  for (;;) {
    const value = await look();
    if (value) return value;
    if (Date.now() > deadline) break;
    await delay(10);
  }
  recorder.violated(`${promise}, once all is healed`, `not within ${most / 1000} s`);
  return undefined;
}

function judgeResets({ counts, happenings, violated }: Recorder): void {
  const wrong = [...counts.keys()].filter(name => name.startsWith('resets: ') && name !== OTHER_LOG);
  for (const name of wrong) violated('only another log resets a client', name);
  const asked = happenings.some(({ fault }) => fault === 'SELECT feed.new_log()');
  if (counts.has(OTHER_LOG) && !asked) violated('the log becomes another one only on request', OTHER_LOG);
}
