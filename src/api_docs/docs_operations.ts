// GET /docs: Swagger UI over /openapi.json. All that it needs comes from here: it works without a network, and tells
// no third party who reads what.
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { type Operation, operation } from '../web/operation.ts';
import { parameter } from '../web/query.ts';
import {
  answersOf,
  NoParameters,
  type StaticAsset,
  StaticAssetHeaders,
  send,
  staticAsset,
} from './static_asset.ts';

// Only what is named here can be asked for.
const FILES = {
  'swagger-ui.css': { type: 'text/css', from: 'swagger-ui-dist/swagger-ui.css' },
  'swagger-ui-bundle.js': { type: 'text/javascript', from: 'swagger-ui-dist/swagger-ui-bundle.js' },
  'favicon.png': { type: 'image/png', from: 'swagger-ui-dist/favicon-32x32.png' },
  'initializer.js': { type: 'text/javascript', from: './initializer.ts' },
} as const;
const NAMES = Object.keys(FILES) as (keyof typeof FILES)[];

type Name = keyof typeof FILES;

// No script, style or request but our own, no form, no frame around it. Swagger UI's icons are data.
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PAGE_HEADERS = {
  'Content-Security-Policy': 'Proves that the page asks nobody else for anything.',
  'Referrer-Policy': '`no-referrer`',
};

const Params = z.object({
  file: z.enum(NAMES, { error: ({ input }) => `there is no file ${input}` }),
});
const Query = z.strictObject({
  v: parameter(z.string())
    .optional()
    .meta({ description: 'Its ETag without the quotes: then it never changes, and may be kept for ever.' }),
});

/** GET /docs and the files that it needs. */
export function createDocsOperations(): Operation[] {
  const files = new Map<Name, Promise<StaticAsset>>();
  const fileOf = (name: Name) => {
    const file = files.get(name) ?? read(name);
    files.set(name, file);
    return file;
  };
  return [
    operation({
      id: 'show_docs',
      method: 'get',
      path: '/docs',
      summary: 'Shows what REST can be asked, and lets it be tried.',
      tag: 'documents',
      access: 'open',
      query: NoParameters,
      headers: StaticAssetHeaders,
      answers: answersOf('text/html', undefined, PAGE_HEADERS),
      async handle(ctx) {
        const addresses = NAMES.map(async name => [name, addressOf(name, await fileOf(name))]);
        const page = pageOf(Object.fromEntries(await Promise.all(addresses)));
        ctx.set({ 'Content-Security-Policy': POLICY, 'Referrer-Policy': 'no-referrer' });
        send(ctx, staticAsset('text/html', page));
      },
    }),
    operation({
      id: 'show_docs_file',
      method: 'get',
      path: '/docs/{file}',
      summary: 'Gives a file that the page needs.',
      tag: 'documents',
      access: 'open',
      params: Params,
      query: Query,
      headers: StaticAssetHeaders,
      answers: fileAnswers(),
      async handle(ctx, { params, query }) {
        const file = await fileOf(params.file);
        send(ctx, file, { immutable: query.v !== undefined && `"${query.v}"` === file.etag });
      },
    }),
  ];
}

function fileAnswers() {
  const types = [...new Set(Object.values(FILES).map(({ type }) => type))];
  return answersOf(types);
}

async function read(name: Name): Promise<StaticAsset> {
  const { type, from } = FILES[name];
  return staticAsset(type, await readFile(new URL(import.meta.resolve(from))));
}

function addressOf(name: Name, { etag }: StaticAsset): string {
  return `/docs/${name}?v=${etag.slice(1, -1)}`;
}

function pageOf(addresses: Record<Name, string>): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Taskwire: the API</title>
<link rel="icon" href="${addresses['favicon.png']}">
<link rel="stylesheet" href="${addresses['swagger-ui.css']}">
<main id="docs"><noscript>Without scripts, read <a href="/openapi.json">/openapi.json</a>.</noscript></main>
<footer class="swagger-ui"><div class="wrapper">WebSockets and the event stream:
<a href="/asyncapi.json">/asyncapi.json</a>. Errors: <a href="/problems">/problems</a>.</div></footer>
<script src="${addresses['swagger-ui-bundle.js']}"></script>
<script src="${addresses['initializer.js']}"></script>
</html>
`;
}
