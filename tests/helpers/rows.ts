// Rows of a log that is made up.
import type { LogRow } from '../../src/events.ts';

export const LOG_ID = '00000000-0000-7000-8000-000000000000';

/** A row at a position; what a test does not say is the same in all. */
export function logRow(position: number, given: Partial<LogRow> = {}): LogRow {
  return {
    ...{ position, topic: 'tasks', type: 'task_updated', subject: 'x', time: '2026-11-23T05:38:12.345678Z' },
    ...{
      origin: 'psql',
      transaction: '7',
      actor: null,
      requestid: null,
      data: '{}',
      previous: null,
      entity: null,
    },
    ...given,
  };
}

/** Those in (after, through]. */
export function logRows(after: number, through: number, given: Partial<LogRow> = {}): LogRow[] {
  return Array.from({ length: Math.max(0, through - after) }, (_, index) => logRow(after + index + 1, given));
}
