// Queries for what comes in from NATS: a rate, and a message that is none.
import { sql } from 'slonik';
import { z } from 'zod';
import { sentenceOf } from '../errors.ts';
import type { Ingested, RateMessage, RejectedMessage } from '../parsing/rate.ts';
import { storableText } from '../parsing/storable_text.ts';
import { databaseErrorOf, translateDatabaseError } from '../postgres/errors.ts';
import { type DatabasePool, noRow } from '../postgres/pool.ts';
import { isWritersFault } from '../postgres/sqlstate.ts';
import { writtenBy } from './origin.ts';

const Stored = z.strictObject({ version: z.number() });
const MOST_BYTES = 65_536;
const MOST_CHARACTERS = 1_000;

/**
 * Writes a rate, unless the stored one is from the same time or a later one: so in whatever order messages come, and
 * however often, the newest stands in the end. Throws a ServiceError for what passes, and what was not foreseen as it is.
 */
export async function storeRate(pool: DatabasePool, told: RateMessage): Promise<Ingested> {
  try {
    const stored = await writeRate(pool, told);
    if (!stored) return { outcome: 'unchanged' };
    return { outcome: stored.version === 1 ? 'created' : 'updated' };
  } catch (error) {
    const known = translateDatabaseError(error);
    if (!known || !isWritersFault(databaseErrorOf(error)?.code)) throw known ?? error; // a deadlock, say, passes
    return { refused: sentenceOf(known) };
  }
}

// The name is said or stays; a new currency without one is called by its code, which the trigger sees to.
async function writeRate(pool: DatabasePool, { currency, rate, timestamp, name = '' }: RateMessage) {
  return pool.maybeOne(sql.prepared('store_rate', Stored)`
    WITH ${writtenBy('nats', null)}
    INSERT INTO public.currencies AS c (currency, name, rate, rate_date, source, "timestamp")
    SELECT told.currency, nullif(told.name, ''), told.rate, (told.time AT TIME ZONE 'UTC')::date, 'nats', told.time
    FROM context
    CROSS JOIN (VALUES (${currency}, ${name}, ${rate}::numeric, ${timestamp}::timestamptz))
      AS told (currency, name, rate, time)
    ON CONFLICT ON CONSTRAINT currencies_currency_key DO UPDATE
    SET name = CASE WHEN ${name} = '' THEN c.name ELSE excluded.name END,
        rate = excluded.rate, rate_date = excluded.rate_date, source = excluded.source,
        "timestamp" = excluded."timestamp"
    WHERE c."timestamp" < excluded."timestamp"
    RETURNING c.version`);
}

/** Keeps a message, once: the same one again changes nothing. Throws a ServiceError for what passes. */
export async function keepRejected(pool: DatabasePool, message: RejectedMessage): Promise<void> {
  const { subject, payload, stream, sequence, sentAt } = message;
  const kept = Buffer.from(payload.subarray(0, MOST_BYTES));
  try {
    await pool.query(sql.type(noRow)`
      INSERT INTO public.rejected_messages (subject, payload, payload_size, reason, stream, sequence, sent_at)
      VALUES (
        ${subject}, ${sql.binary(kept)}, ${payload.length}, ${storableText(message.reason, MOST_CHARACTERS)}, ${stream}, ${sequence},
        ${sentAt.toISOString()}::timestamptz)
      ON CONFLICT ON CONSTRAINT rejected_messages_pkey DO NOTHING`);
  } catch (error) {
    throw translateDatabaseError(error) ?? error;
  }
}
