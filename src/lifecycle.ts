// What main starts in order and stops in reverse.

/**
 * A part of the process that lives: start() resolves when it works, stop() when it holds nothing any more.
 * stop() before start(), or twice, is fine; neither touches a signal or another part.
 */
export interface Service {
  readonly name: string;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Does work on one instance at a time, here whenever it is this one's turn, until `until` aborts. `held` aborts when the
 * turn is lost, and the work must then come to its end; if it ends before, it is another one's turn.
 */
export type Exclusive = (work: (held: AbortSignal) => Promise<void>, until: AbortSignal) => Promise<void>;
