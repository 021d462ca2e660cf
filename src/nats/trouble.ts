// What is wrong, for whoever asks, and for the log: said once when it begins, once when it is over, however often it is
// met between.
import type { Logger } from '../logger.ts';

/** A trouble that only a person can end: nothing that is done by itself would be right. */
export class NeedsPerson extends Error {
  override name = 'NeedsPerson';
}

export interface Trouble {
  /** In a sentence; undefined while all is well. */
  readonly reason: string | undefined;
  /** Whether it lasts until a person has acted. */
  readonly needsPerson: boolean;
  meet(error: unknown): void;
  over(): void;
}

/** `begun` and `ended` are what the log says; with them goes the error. */
export function createTrouble(logger: Logger, begun: string, ended: string): Trouble {
  let reason: string | undefined;
  let needsPerson = false;
  return {
    get reason() {
      return reason;
    },
    get needsPerson() {
      return needsPerson;
    },
    meet(error) {
      const isNews = reason === undefined || needsPerson !== error instanceof NeedsPerson;
      needsPerson = error instanceof NeedsPerson;
      const message = error instanceof Error ? error.message : String(error);
      // What a person has to know is news whenever it changes; what passes by itself is not.
      if (isNews || (needsPerson && reason !== sentence(begun, message))) {
        if (needsPerson) logger.error({ reason: message }, begun);
        else logger.warn({ err: error }, begun);
      }
      reason = sentence(begun, message);
    },
    over() {
      if (reason !== undefined) logger.info(ended);
      reason = undefined;
      needsPerson = false;
    },
  };
}

const sentence = (begun: string, message: string) => `${begun}: ${message}`;
