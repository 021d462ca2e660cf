// The one way to say something to an operator: structured lines, readable text on a terminal.
import { hostname } from 'node:os';
import { type DestinationStream, type Logger, pino } from 'pino';
import { now } from './parsing/timestamp.ts';
import { readVersion } from './version.ts';

export type { Logger };

interface LoggerOptions {
  level: string;
  /** For a person's terminal; everything else gets JSON lines. */
  pretty: boolean;
  /** Where JSON lines go, if not to stdout. */
  destination?: DestinationStream;
}

/**
 * Builds the process's logger. Every JSON line says when (RFC 3339), how bad in a word, and of which instance and version
 * it is, so that the lines of many instances can stand in one place.
 */
export function createLogger({ level, pretty, destination }: LoggerOptions): Logger {
  if (pretty) return pino({ level, base: null, transport: { target: 'pino-pretty', options: ON_TERMINAL } });
  const options = {
    level,
    base: { instance: `${hostname()}:${process.pid}`, version: readVersion() },
    timestamp: () => `,"time":"${now()}"`,
    formatters: { level: (word: string) => ({ level: word }) },
  };
  return destination ? pino(options, destination) : pino(options);
}

// One line each, whatever it is about; only an error has its stack below it.
const ON_TERMINAL = { translateTime: 'SYS:HH:MM:ss', ignore: 'pid,hostname', singleLine: true };
