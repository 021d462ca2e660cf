// The parameter as_of: a moment of the log, as a position or as a time.
import { z } from 'zod';
import { ServiceError } from '../../errors.ts';
import { timestamp } from '../../parsing/timestamp.ts';
import type { DatabasePool } from '../../postgres/pool.ts';
import { readPositionAt } from '../../queries/history.ts';
import { readHead } from '../../queries/log.ts';
import { parameter } from '../../web/query.ts';
import { badParameter } from './input.ts';

/** A moment as the client wrote it. */
export type AsOf = { position: number } | { time: string };

const text = z
  .string()
  .transform((value, context): AsOf => {
    if (/^\d+$/.test(value)) return { position: Number(value) };
    if (timestamp.safeParse(value).success) return { time: value };
    context.addIssue({ code: 'custom', message: 'must be a position or a time in RFC 3339 with an offset' });
    return z.NEVER;
  })
  .meta({
    anyOf: [
      { type: 'string', pattern: '^\\d+$' },
      { type: 'string', format: 'date-time' },
    ],
  });

/** As a query parameter. */
export const asOf = parameter(text)
  .optional()
  .meta({ description: 'A position of the log, or a time: the answer is as it was then.' });

/**
 * The position that is meant: for a time the last one given by then, so the present head for a time to come. Throws 400
 * for one beyond the head and 410 for one of which the log does not keep everything any more.
 */
export async function resolveAsOf(pool: DatabasePool, timestamp: AsOf): Promise<number> {
  const position = 'time' in timestamp ? await readPositionAt(pool, timestamp.time) : timestamp.position;
  const { head, floor } = await readHead(pool);
  if (position > head) throw badParameter('as_of', `is beyond the last position, ${head}`);
  if (position >= floor) return position;
  throw new ServiceError('gone', `the log goes back to position ${floor}`, { reason: 'retention' });
}
