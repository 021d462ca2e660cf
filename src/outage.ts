// Something that is out of order for a while: the log is told once when it begins and once when it is over, however often
// it is met between.
import type { Logger } from './logger.ts';

interface Outage {
  /** Whether it has begun and is not over. */
  readonly ongoing: boolean;
  /** It was met, for this reason. */
  begin(reason?: unknown): void;
  /** What was out of order works. */
  end(): void;
}

/** `begun` and `ended` are what the log is told, at these levels and with these fields. */
export function createOutage(
  logger: Logger,
  { begun, ended, level = 'warn', fields = {} }: OutageWords,
): Outage {
  let ongoing = false;
  return {
    get ongoing() {
      return ongoing;
    },
    begin(reason) {
      if (!ongoing) logger[level]({ ...fields, err: reason }, begun);
      ongoing = true;
    },
    end() {
      if (ongoing) logger.info(fields, ended);
      ongoing = false;
    },
  };
}

interface OutageWords {
  begun: string;
  ended: string;
  level?: 'warn' | 'error';
  fields?: Readonly<Record<string, unknown>>;
}
