// A client that listens to one path for the whole run: it drops and resumes on other instances, stops reading for a
// while, goes back, begins anew after a reset, and writes down every frame.
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { Random } from '../../helpers/random.ts';
import {
  digestOf,
  type Frame,
  type ListenerRecord,
  type LogEvent,
  type Recorder,
  type Row,
  rowOf,
  type Segment,
} from './history.ts';
import type { Connection, Transport } from './transports.ts';

/** What a listener is about. */
export interface Interest {
  name: string;
  over: Transport;
  path: string;
  /** `snapshot=true` in it is for beginnings; who resumes has the state already. */
  query: Record<string, string>;
  /** Which events of the log it is to get. */
  wants(event: LogEvent): boolean;
}

export interface Listener {
  /** From now on it stays connected and reads. */
  calm(): void;
  /** Whether it has everything up to a position of a log. */
  has(position: number, log: string): boolean;
}

const Message = z.union([
  z.object({ specversion: z.literal('1.0'), position: z.number() }),
  z.object({ type: z.literal('ready'), head: z.number(), log: z.string() }),
  z.object({ type: z.literal('position'), position: z.number(), log: z.string() }),
  z.object({ type: z.literal('reset'), reason: z.string() }),
  z.object({
    type: z.literal('snapshot'),
    data: z.array(z.unknown()),
    position: z.number(),
    last: z.boolean(),
  }),
]);

// What a connection was opened with; `after` and `log` both: the present segment goes on.
interface Opening {
  after?: number;
  log?: string;
  resumes?: boolean;
  snapshot?: boolean;
}

const LONGEST_LIFE = 20_000;
const LONGEST_PAUSE = 6_000;

/** Begins to listen, on one of `addresses` at a time. */
export function createListener(options: {
  interest: Interest;
  addresses: readonly string[];
  random: Random;
  recorder: Recorder;
  /** Ends it. */
  ending: AbortSignal;
}): Listener {
  const { interest, addresses, random, recorder, ending } = options;
  const record: ListenerRecord = { name: interest.name, wants: interest.wants, segments: [] };
  const digests = new Map<number, string>();
  const moods = new Set<NodeJS.Timeout>();
  const takesSnapshots = interest.query.snapshot === 'true';
  let segment: Segment | undefined;
  let rows: Row[] | undefined; // of a snapshot that is not complete yet
  let cursor = 0;
  let connection: Connection | undefined;
  let calm = false;
  recorder.listeners.push(record);

  async function run(): Promise<void> {
    for (; !ending.aborted; await delay(random.below(300))) {
      await connect(choose());
      if (rows) segment = undefined;
    }
  }

  function choose(): Opening {
    const snapshot = { snapshot: true };
    if (!segment) return takesSnapshots ? snapshot : random.pick([{}, { after: cursor }]);
    if (calm || !random.chance(0.1)) return { after: cursor, log: segment.log, resumes: true };
    if (takesSnapshots) return snapshot;
    return { after: cursor - random.below(Math.min(cursor, 5_000) + 1), log: segment.log };
  }

  function connect(opening: Opening): Promise<unknown> {
    const { after, log } = opening;
    const { snapshot, ...filter } = interest.query;
    const query = new URLSearchParams({
      ...filter,
      ...(opening.snapshot && { snapshot: 'true' }),
      ...(after !== undefined && { after: String(after) }),
      ...(log !== undefined && { log }),
    });
    rows = undefined;
    const own = interest.over(random.pick(addresses), interest.path, query, {
      take: text => connection === own && take(text, opening),
      opened: () => beMoody(own),
    });
    connection = own;
    return own.closed.then(clearMoods);
  }

  function beMoody(own: Connection): void {
    if (calm) return;
    const later = (what: () => void, most: number) => moods.add(setTimeout(what, random.below(most)));
    later(() => own.drop(), LONGEST_LIFE);
    if (!random.chance(0.3)) return;
    later(() => {
      own.pause();
      recorder.count('pauses of a listener');
      later(() => own.resume(), LONGEST_PAUSE);
    }, LONGEST_PAUSE);
  }

  function clearMoods(): void {
    for (const mood of moods) clearTimeout(mood);
    moods.clear();
  }

  function take(text: string, opening: Opening): void {
    const { data: frame } = Message.safeParse(JSON.parse(text));
    if (!frame) recorder.violated('frames are as documented', `${interest.name} got ${text}`);
    else if ('specversion' in frame) keep({ position: frame.position, digest: digest(frame.position, text) });
    else if (frame.type === 'position' && rows && frame.position === 0)
      return; // told while a snapshot is under way
    else if (frame.type === 'position') keep({ position: frame.position }, frame.log);
    else if (frame.type === 'reset') begone(frame.reason);
    else if (frame.type === 'snapshot') gather(frame);
    else begin(frame.log, opening.after ?? frame.head, opening);
  }

  function begin(log: string, start: number, { resumes = false, log: known, snapshot }: Opening): void {
    // Whether the epoch that it came with is one of this log is judged at the end, by the one that it began in.
    recorder.count(known === log ? 'same epochs' : 'other epochs');
    recorder.count(resumes ? 'resumes' : 'begins');
    if (resumes && segment) segment.log = log;
    if (resumes) return;
    segment = { began: known ?? log, log, start, frames: [] };
    cursor = start;
    if (snapshot) rows = [];
    else record.segments.push(segment);
  }

  // Whoever has only a part of a snapshot has nothing, and begins anew if the connection ends.
  function gather({ data, position, last }: { data: unknown[]; position: number; last: boolean }): void {
    if (!rows || position !== segment?.start) {
      recorder.violated('frames are as documented', `${interest.name} got a snapshot of ${position}`);
      return;
    }
    rows.push(...data.map(rowOf));
    if (!last) return;
    recorder.count('snapshots');
    segment.snapshot = rows;
    record.segments.push(segment);
    rows = undefined;
  }

  function keep(frame: Frame, log?: string): void {
    recorder.count('frames');
    if (!segment || rows)
      recorder.violated('ready and the snapshot come first', `${interest.name} got ${frame.position}`);
    segment?.frames.push(frame);
    if (segment && log !== undefined) segment.log = log;
    cursor = Math.max(cursor, frame.position);
  }

  function begone(reason: string): void {
    recorder.count(`resets: ${reason}`);
    segment = undefined;
  }

  // One string for equal texts: a run sees millions.
  function digest(position: number, text: string): string {
    const known = digests.get(position);
    const now = digestOf(text);
    if (known === now) return known;
    digests.set(position, now);
    return now;
  }

  ending.addEventListener('abort', () => connection?.drop());
  run().catch(error => recorder.violated('the suite itself works', String(error)));
  return {
    has: (position, log) => segment?.log === log && !rows && cursor >= position,
    calm() {
      calm = true;
      clearMoods();
      connection?.resume();
    },
  };
}
