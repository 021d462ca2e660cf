// Keyset pages: an opaque cursor holds the sort and the last row's keys, so that no row comes twice or is missed
// while others write.
import type { Context } from 'koa';
import { z } from 'zod';
import { fillPage } from '../../events.ts';
import { timestamp } from '../../parsing/timestamp.ts';
import { type Resource, type Sort, sortsOf } from '../../queries/resource.ts';
import { parameter, wholeNumber } from '../../web/query.ts';
import { UUID } from './fields.ts';
import { badParameter } from './input.ts';

/** The parameters of a list of which a page may have so many rows. */
export function pageParametersOf(rows: { default: number; most: number }) {
  const { most } = rows;
  const limit = wholeNumber({ from: 1, to: most, digits: 4, error: `must be a number from 1 to ${most}` });
  return {
    limit: parameter(limit, { default: rows.default })
      .default(rows.default)
      .meta({ description: 'How many there may be on a page.' }),
    cursor: parameter(z.string())
      .optional()
      .meta({ description: 'The `next_cursor` of the page before, with the same parameters.' }),
  };
}

/** The parameters of a list of entities. */
export const pageParameters = pageParametersOf({ default: 50, most: 200 });

/** The parameter sort, where there is a choice; where there is none, it is as good as never given. */
export function sortParametersOf(resource: Resource) {
  const sorts = sortsOf(resource);
  const error = `must be one of ${sorts.join(', ')}`;
  const sort = parameter(z.enum(sorts, { error }), { default: resource.defaultSort })
    .optional()
    .meta({ description: 'What to sort by, with - for descending; what has no such value stands last.' });
  return Object.keys(resource.sorts).length > 1 ? { sort } : ({} as { sort: typeof sort });
}

/** An id in a cursor. */
export const uuid = z.string().regex(UUID);

/** A key in a cursor, as keyOf() gave it. */
export function keyTextOf({ type, nullable }: Sort): z.ZodType<string | null> {
  return nullable ? KEY_TEXTS[type].nullable() : KEY_TEXTS[type];
}

const KEY_TEXTS = {
  timestamptz: timestamp,
  date: z.iso.date(),
  text: z.string().refine(text => !text.includes('\0') && text.isWellFormed()),
  int4: z.string().regex(/^-?\d{1,9}$/),
  numeric: z.string().regex(/^-?\d{1,40}(\.\d{1,40})?$/),
};

/** A page as sendPage() writes it. */
export function pageOf<Schema extends z.ZodType>(id: string, item: Schema) {
  return z
    .object({
      data: z.array(item),
      next_cursor: z.string().nullable().meta({ description: 'What the next page is asked for with.' }),
    })
    .meta({ id, description: 'A page of a list; the last one has no `next_cursor`.' });
}

/** The headers of a page. */
export const PAGE_HEADERS = { Link: 'The next page, `rel="next"`, where there is one.' };

/** The keys that a cursor holds. Throws 400 for one that this list did not give. */
export function readCursor<Keys extends z.ZodType>(keys: Keys, cursor: string): z.output<Keys> {
  const result = keys.safeParse(decode(cursor));
  if (!result.success) throw badParameter('cursor', 'is not one that this list gave');
  return result.data;
}

/**
 * Sends the first `limit` of the rows, and where the next page begins if there are more rows than that, or may be: those
 * that fill a page in bytes are all that is read for it. A last row without a document only tells how far was looked: the
 * next page begins there. `from`, where it is given, is the position after which the list begins.
 */
export function sendPage<Row extends { document: string | null }>(
  ctx: Context,
  {
    rows,
    limit,
    keysOf,
    from,
  }: { rows: readonly Row[]; limit: number; keysOf: (row: Row) => unknown; from?: number },
): void {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  const documents = page.flatMap(row => row.document ?? []);
  const mayGoOn = rows.length > limit || last?.document === null || fillPage(documents);
  const next = last && mayGoOn ? encode(keysOf(last)) : null;
  if (next !== null) ctx.set('Link', `<${nextAddress(ctx, next)}>; rel="next"`);
  ctx.set('Cache-Control', 'no-cache');
  ctx.type = 'application/json';
  const begins = from === undefined ? '' : `,"from":${from}`;
  ctx.body = `{"data":[${documents.join(',')}],"next_cursor":${JSON.stringify(next)}${begins}}`;
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
