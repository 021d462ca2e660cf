// Currencies: what the resource is to the database, and the queries that no other resource has.
import { sql } from 'slonik';
import { z } from 'zod';
import type { DatabasePool } from '../postgres/pool.ts';
import type { Resource } from './resource.ts';

export const currencies: Resource = {
  topic: 'currencies',
  entity: 'currency',
  table: ['public', 'currencies'],
  columns: {
    currency: 'text',
    name: 'text',
    nominal: 'int4',
    rate: 'numeric',
    rate_date: 'date',
    source: 'text',
  },
  naturalKey: { column: 'currency', pattern: /^[A-Z]{3}$/i, normalise: text => text.toUpperCase() },
  sorts: {
    currency: { by: sql.fragment`t.currency`, type: 'text' },
    name: { by: sql.fragment`t.name`, type: 'text' },
    rate: { by: sql.fragment`t.rate`, type: 'numeric' },
    rate_date: { by: sql.fragment`t.rate_date`, type: 'date' },
    timestamp: { by: sql.fragment`t."timestamp"`, type: 'timestamptz' },
  },
  defaultSort: 'currency',
  hasCreatedAt: false,
};

const ListedRate = z.strictObject({ rate_date: z.string(), document: z.string() });

/** What a currency was worth, day by day, oldest first: from and to a day (both included), behind another one. */
export async function listRates(
  pool: DatabasePool,
  code: string,
  page: { from: string | undefined; to: string | undefined; after: string | undefined; limit: number },
): Promise<readonly z.infer<typeof ListedRate>[]> {
  const { from = null, to = null, after = null, limit } = page;
  return pool.any(sql.prepared('list_currency_rates', ListedRate)`
    SELECT told.rate_date, row_to_json(told)::text AS document
    FROM public.currency_rates AS r
    CROSS JOIN LATERAL (
      SELECT to_char(r.rate_date, 'YYYY-MM-DD') AS rate_date, r.rate::text AS rate, r.nominal
    ) AS told
    WHERE r.currency = ${code}
      AND r.rate_date >= coalesce(${from}::date, '-infinity')
      AND r.rate_date <= coalesce(${to}::date, 'infinity')
      AND r.rate_date > coalesce(${after}::date, '-infinity')
    ORDER BY r.rate_date
    LIMIT ${limit}`);
}

/** Whether any rate of a currency is kept: of each that is there one is, and of those that were. */
export async function hasRates(pool: DatabasePool, code: string): Promise<boolean> {
  return pool.exists(sql.unsafe`SELECT FROM public.currency_rates WHERE currency = ${code}`);
}

const Coded = z.strictObject({ code: z.string() });

/** The code of the currency with an id, also of one that is gone, as far as the log goes back. */
export async function readCode(pool: DatabasePool, id: string): Promise<string | null> {
  const subject = id.toLowerCase();
  return pool.maybeOneFirst(sql.prepared('read_code', Coded)`
    SELECT c.currency AS code
    FROM public.currencies AS c
    WHERE c.id = ${id}
    UNION ALL
    SELECT s.data ->> 'currency'
    FROM feed.unnumbered('currencies') AS u
    JOIN feed.staged AS s ON s.xid = u.xid AND s.id = u.id
    WHERE u.subject = ${subject}
    UNION ALL
    SELECT e.data ->> 'currency'
    FROM feed.events AS e
    WHERE e.subject = ${subject} AND e.topic = 'currencies'
    LIMIT 1`);
}

const Conversion = z.strictObject({
  amount: z.string().nullable(),
  from_rate: z.string().nullable(),
  from_date: z.string().nullable(),
  to_rate: z.string().nullable(),
  to_date: z.string().nullable(),
});
/** An amount in another currency; what is not known because there is no such currency is null. */
export type Conversion = z.infer<typeof Conversion>;

/** See sql/currencies/convert_currency.sql; the amount is a decimal as text. */
export async function convertCurrency(
  pool: DatabasePool,
  { from, to, amount }: { from: string; to: string; amount: string },
): Promise<Conversion> {
  return pool.one(sql.prepared('convert_currency', Conversion)`
    SELECT c.amount, c.from_rate, c.from_date, c.to_rate, c.to_date
    FROM public.convert_currency(${amount}::numeric, ${from}, ${to}) AS c`);
}
