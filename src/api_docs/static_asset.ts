// What is served as it is: some bytes, their type and a strong ETag.
import { createHash } from 'node:crypto';
import type { Context } from 'koa';
import { z } from 'zod';
import { isKnownTag } from '../web/entity_tag.ts';
import { type Operation, operation } from '../web/operation.ts';
import { parameter } from '../web/query.ts';

export interface StaticAsset {
  type: string;
  body: Buffer;
  /** A strong one (RFC 9110, section 8.8.3), quotes included. */
  etag: string;
}

/** The header that send() reads. */
export const StaticAssetHeaders = z.object({
  'If-None-Match': z
    .string()
    .optional()
    .meta({ description: 'The ETag of what the client has; if it is still that, the answer is 304.' }),
});

/** The query of what is served so. */
export const NoParameters = z.strictObject({});

/** What an operation answers that is served so, of a type or one of several. */
export function answersOf(
  type: string | readonly string[],
  schema?: z.ZodType,
  more: Readonly<Record<string, string>> = {},
) {
  const headers = { ETag: 'Of these very bytes.', ...more };
  return {
    200: { description: 'It.', type, schema, headers },
    304: { description: 'The client has it already.', headers },
  };
}

export function staticAsset(type: string, content: Buffer | string): StaticAsset {
  const body = Buffer.from(content);
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
  return { type, body, etag };
}

/** Sends it, or 304 when the client has it. Caches ask again each time, unless its address changes with it. */
export function send(
  ctx: Context,
  { type, body, etag }: StaticAsset,
  how: { immutable?: boolean } = {},
): void {
  ctx.set({ ETag: etag, 'Cache-Control': how.immutable ? FOR_EVER : 'public, no-cache' });
  ctx.type = type;
  ctx.body = body;
  if (isKnownTag(ctx.get('If-None-Match'), etag)) ctx.status = 304;
}

const FOR_EVER = 'public, max-age=31536000, immutable';

/** The headers of a page that needs nobody else. */
export const PAGE_HEADERS = {
  'Content-Security-Policy': 'Proves that the page asks nobody else for anything.',
  'Referrer-Policy': '`no-referrer`',
};

/** Sends a page under its policy. */
export function sendPage(ctx: Context, page: StaticAsset, policy: string): void {
  ctx.set({ 'Content-Security-Policy': policy, 'Referrer-Policy': 'no-referrer' });
  send(ctx, page);
}

const FileQuery = z.strictObject({
  v: parameter(z.string())
    .optional()
    .meta({ description: 'Its ETag without the quotes: then it never changes, and may be kept for ever.' }),
});

interface AssetFolder {
  /** GET <folder>/{file}, of those that are named. */
  operation: Operation;
  /** The addresses of all files, by their names: each changes with its file. */
  addresses(): Promise<Record<string, string>>;
}

/** Files that a page needs, each read once, when it is first asked for. Only what is named can be asked for. */
export function createAssetFolder({
  id,
  folder,
  summary,
  files,
}: {
  id: string;
  folder: string;
  summary: string;
  files: Readonly<Record<string, { type: string; read(): Promise<Buffer | string> }>>;
}): AssetFolder {
  const names = Object.keys(files);
  const assets = new Map<string, Promise<StaticAsset>>();

  function assetOf(name: string): Promise<StaticAsset> {
    const known = assets.get(name);
    if (known) return known;
    const file = files[name];
    if (!file) throw new RangeError(`there is no file ${name}`);
    const asset = file.read().then(content => staticAsset(file.type, content));
    assets.set(name, asset);
    return asset;
  }

  const addressOf = async (name: string) => {
    const { etag } = await assetOf(name);
    return [name, `${folder}/${name}?v=${etag.slice(1, -1)}`] as const;
  };
  return {
    addresses: async () => Object.fromEntries(await Promise.all(names.map(addressOf))),
    operation: operation({
      id,
      method: 'get',
      path: `${folder}/{file}`,
      summary,
      tag: 'documents',
      access: 'open',
      params: z.object({ file: z.enum(names, { error: ({ input }) => `there is no file ${input}` }) }),
      query: FileQuery,
      headers: StaticAssetHeaders,
      answers: answersOf([...new Set(Object.values(files).map(({ type }) => type))]),
      async handle(ctx, { params, query }) {
        const asset = await assetOf(params.file);
        send(ctx, asset, { immutable: query.v !== undefined && `"${query.v}"` === asset.etag });
      },
    }),
  };
}
