// What happened in a run, as far as its checker has to know: written down by the actors, judged by check.ts.
import { hash } from 'node:crypto';

/** One change that a transaction made. What its writer could not know, because no answer came, is left out. */
export interface Change {
  type: string;
  subject?: string;
  version?: number;
}

/** In doubt: the connection was lost while it committed, or the server may have lost it; the log decides. */
export type Outcome = 'committed' | 'rolled back' | 'in doubt';

/** Its events carry `tag` as their requestid, whatever they change, so that each can be told whose it is. */
export interface Transaction {
  tag: string;
  outcome: Outcome;
  changes: Change[];
}

/** What came over a socket: an event with the digest of its text, or, without one, a position to resume from. */
export interface Frame {
  position: number;
  digest?: string;
}

/** An entity of a snapshot: the digest of its document, which is JSON and may be spaced in any way. */
export interface Row {
  subject: string;
  digest: string;
}

/** An unbroken stretch of listening, over any number of connections: everything after `start` of one log. */
export interface Segment {
  /** The epoch of the log that was told first, and the one that was told last. */
  began: string;
  log: string;
  start: number;
  /** The state as of `start` that it began with, where it asked for that. */
  snapshot?: readonly Row[];
  frames: Frame[];
}

export interface ListenerRecord {
  name: string;
  /** Which events it is to get. */
  wants(event: LogEvent): boolean;
  segments: Segment[];
}

/** A row of feed.events. */
export interface LogEvent {
  position: number;
  topic: string;
  type: string;
  subject: string;
  time: string;
  transaction: string;
  stagedId: number;
  tag: string | null;
  version: number | null;
  /** The entity as the log renders it. */
  data: string;
  /** The old values of what an update changed. */
  previous: string | null;
  /** Of the text that every listener is to get. */
  digest: string;
}

/** Everything there is to judge once all is healed and quiet. */
export interface History {
  transactions: readonly Transaction[];
  listeners: readonly ListenerRecord[];
  events: readonly LogEvent[];
  /** The log's epoch at the end, and the earlier ones that it knows, each with its last position. */
  log: string;
  ends: ReadonlyMap<string, number>;
  /** The tasks, rendered, by id. */
  table: ReadonlyMap<string, string>;
  /** What feed.verify() found. */
  verified: readonly string[];
  /** What feed.prove() found. */
  proved: readonly string[];
}

/** A promise that was broken. */
export interface Violation {
  promise: string;
  detail: string;
  /** When, in milliseconds of the epoch, where it is known. */
  at?: number;
}

export interface Happening {
  at: number;
  what: string;
  /** Set on faults alone. */
  fault?: string;
}

export interface Recorder {
  readonly transactions: Transaction[];
  readonly listeners: ListenerRecord[];
  readonly happenings: Happening[];
  /** What the actors saw to be wrong themselves. */
  readonly violations: Violation[];
  /** How often each thing worth counting took place. */
  readonly counts: Map<string, number>;
  count(what: string): void;
  note(what: string, fault?: string): void;
  violated(promise: string, detail: string): void;
}

export function createRecorder(): Recorder {
  const counts = new Map<string, number>();
  const happenings: Happening[] = [];
  const violations: Violation[] = [];
  return {
    transactions: [],
    listeners: [],
    happenings,
    violations,
    counts,
    count: what => counts.set(what, (counts.get(what) ?? 0) + 1),
    note: (what, fault) => happenings.push({ at: Date.now(), what, ...(fault !== undefined && { fault }) }),
    violated: (promise, detail) => violations.push({ promise, detail, at: Date.now() }),
  };
}

/** Stands for an entity, however its JSON is spaced. */
export function rowOf(entity: unknown): Row {
  return { subject: String((entity as { id: unknown }).id), digest: digestOf(JSON.stringify(entity)) };
}

/** Stands for a text of which a run sees millions. */
export function digestOf(text: string): string {
  return hash('sha1', text, 'base64');
}
