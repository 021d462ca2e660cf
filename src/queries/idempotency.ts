// Queries on Idempotency-Keys, all of them in the transaction of the request that has one.
import { sql } from 'slonik';
import { z } from 'zod';
import { type Connection, noRow } from '../postgres/pool.ts';

/** A request that is to have its effect once: its key, the token whose key it is, and a SHA-256 of all that it asks. */
export interface KeyedRequest {
  key: string;
  /** The token's id; empty where none is asked for. */
  token: string;
  digest: Buffer;
}

const Headers = z.record(z.string(), z.string());
const Kept = z.strictObject({
  status: z.int(),
  headers: z.string().transform(text => Headers.parse(JSON.parse(text))),
  body: z.string(),
});
/** An answer as it was given the first time. */
export type KeptAnswer = z.output<typeof Kept>;

const notFound = { status: z.null(), headers: z.null(), body: z.null() };
const Claim = z.discriminatedUnion('outcome', [
  Kept.extend({ outcome: z.literal('kept') }),
  z.strictObject({ outcome: z.enum(['new', 'another', 'running']), ...notFound }),
]);

/** What a key is found to be, at once; see sql/rest/claim_idempotency_key.sql. */
export async function claimKey(
  connection: Connection,
  { key, token, digest }: KeyedRequest,
): Promise<z.output<typeof Claim>> {
  return connection.one(sql.prepared('claim_idempotency_key', Claim)`
    SELECT outcome, status, headers::text AS headers, body
    FROM public.claim_idempotency_key(${key}, ${sql.binary(digest)}, ${token})`);
}

/** Keeps the answer to a request whose key is claimed. A row that is there already is one that has expired. */
export async function keepAnswer(
  connection: Connection,
  { key, token, digest }: KeyedRequest,
  { status, headers, body }: KeptAnswer,
): Promise<void> {
  await connection.query(sql.prepared('keep_answer', noRow)`
    INSERT INTO public.idempotency_keys (key, token, request, status, headers, body)
    VALUES (${key}, ${token}, ${sql.binary(digest)}, ${status}, ${JSON.stringify(headers)}::jsonb, ${body})
    ON CONFLICT ON CONSTRAINT idempotency_keys_pkey DO UPDATE
    SET request = excluded.request, status = excluded.status, headers = excluded.headers, body = excluded.body,
        created_at = excluded.created_at`);
}
