// Keyset pages: an opaque cursor holds the sort and the last row's keys, so that no row comes twice or is missed
// while others write.
import type { Context } from 'koa';
import { z } from 'zod';
import { badParameter } from './input.ts';

/** A query parameter that may stand once; the schema sees its text. */
export function parameter<Schema extends z.ZodType<unknown, string>>(schema: Schema) {
  return z
    .array(z.string())
    .length(1, { error: 'may stand only once' })
    .transform(values => values[0] ?? '')
    .pipe(schema);
}

/** The parameters of a list of which a page may have so many rows. */
export function pageParametersOf(rows: { default: number; most: number }) {
  const error = `must be a number from 1 to ${rows.most}`;
  const limit = z
    .string()
    .regex(/^\d{1,4}$/, { error, abort: true })
    .transform(Number)
    .refine(limit => limit >= 1 && limit <= rows.most, { error });
  return {
    limit: parameter(limit).default(rows.default),
    cursor: parameter(z.string()).optional(),
  };
}

/** The parameters of a list of entities. */
export const pageParameters = pageParametersOf({ default: 50, most: 200 });

/** The keys that a cursor holds. Throws 400 for one that this list did not give. */
export function readCursor<Keys extends z.ZodType>(keys: Keys, cursor: string): z.output<Keys> {
  const result = keys.safeParse(decode(cursor));
  if (!result.success) throw badParameter('cursor', 'is not one that this list gave');
  return result.data;
}

/**
 * Sends the first `limit` of the rows, and where the next page begins if there are more rows than that. A last row
 * without a document only tells how far was looked: the next page begins there.
 */
export function sendPage<Row extends { document: string | null }>(
  ctx: Context,
  { rows, limit, keysOf }: { rows: readonly Row[]; limit: number; keysOf: (row: Row) => unknown },
): void {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  const next = last && (rows.length > limit || last.document === null) ? encode(keysOf(last)) : null;
  if (next !== null) ctx.set('Link', `<${nextAddress(ctx, next)}>; rel="next"`);
  ctx.set('Cache-Control', 'no-cache');
  ctx.type = 'application/json';
  const documents = page.flatMap(row => row.document ?? []);
  ctx.body = `{"data":[${documents.join(',')}],"next_cursor":${JSON.stringify(next)}}`;
}

function nextAddress(ctx: Context, cursor: string): string {
  const parameters = new URLSearchParams(ctx.querystring);
  parameters.set('cursor', cursor);
  return `${ctx.path}?${parameters}`;
}

function encode(keys: unknown): string {
  return Buffer.from(JSON.stringify(keys)).toString('base64url');
}

function decode(cursor: string): unknown {
  const bytes = Buffer.from(cursor, 'base64url');
  // Decoding skips what is not base64url.
  if (bytes.toString('base64url') !== cursor) return undefined;
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}
