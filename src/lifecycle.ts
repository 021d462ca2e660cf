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
