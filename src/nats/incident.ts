// What is wrong with NATS, for readiness and for the log: told once when it begins and once when it is over, however often
// it is met between. Unlike an outage it may last until an operator has acted.
import type { Logger } from '../logger.ts';

/** An incident that only an operator can end: nothing that is done by itself would be right. */
export class NeedsOperator extends Error {
  override name = 'NeedsOperator';
}

export interface Incident {
  /** In a sentence; undefined while all is well. */
  readonly reason: string | undefined;
  /** Whether it lasts until an operator has acted. */
  readonly needsOperator: boolean;
  begin(error: unknown): void;
  end(): void;
}

/** `begun` and `ended` are what the log says; with them goes the error. */
export function createIncident(logger: Logger, begun: string, ended: string): Incident {
  let reason: string | undefined;
  let needsOperator = false;
  return {
    get reason() {
      return reason;
    },
    get needsOperator() {
      return needsOperator;
    },
    begin(error) {
      const isNews = reason === undefined || needsOperator !== error instanceof NeedsOperator;
      needsOperator = error instanceof NeedsOperator;
      const message = error instanceof Error ? error.message : String(error);
      // What an operator has to know is news whenever it changes; what passes by itself is not.
      if (isNews || (needsOperator && reason !== sentence(begun, message))) {
        if (needsOperator) logger.error({ reason: message }, begun);
        else logger.warn({ err: error }, begun);
      }
      reason = sentence(begun, message);
    },
    end() {
      if (reason !== undefined) logger.info(ended);
      reason = undefined;
      needsOperator = false;
    },
  };
}

const sentence = (begun: string, message: string) => `${begun}: ${message}`;
