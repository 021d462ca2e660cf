// The one way to say something to an operator: structured lines, readable text on a terminal.
import { type Logger, pino } from 'pino';

export type { Logger };

/** Builds the process's logger. `pretty` is for a person's terminal; everything else gets JSON lines. */
export function createLogger({ level, pretty }: { level: string; pretty: boolean }): Logger {
  if (!pretty) return pino({ level, base: null });
  return pino({
    level,
    base: null,
    transport: { target: 'pino-pretty', options: { translateTime: 'SYS:HH:MM:ss', ignore: 'pid,hostname' } },
  });
}
