// GET /: the live page. All that it needs comes from here, under a policy that lets nothing else in.
import { createHash } from 'node:crypto';
import { z } from 'zod';
import {
  answersOf,
  NoParameters,
  type StaticAsset,
  StaticAssetHeaders,
  send,
  staticAsset,
} from '../api_docs/static_asset.ts';
import { type Operation, operation } from '../web/operation.ts';
import { parameter } from '../web/query.ts';
import { BROWSER_FILES, type BrowserFile, readBrowserFile } from './browser_files.ts';
import { shellOf } from './shell.ts';

const NAMES = Object.keys(BROWSER_FILES);

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

interface Page {
  asset: StaticAsset;
  policy: string;
}

/** GET / and the files that it needs. */
export function createPageOperations(): Operation[] {
  const read = new Map<BrowserFile, Promise<StaticAsset>>();
  const fileOf = (file: BrowserFile) => {
    const asset = read.get(file) ?? readBrowserFile(file);
    read.set(file, asset);
    return asset;
  };
  let page: Promise<Page> | undefined;
  return [
    operation({
      id: 'show_page',
      method: 'get',
      path: '/',
      summary: 'Shows tasks, rates, runs and events as they change.',
      tag: 'documents',
      access: 'open',
      query: NoParameters,
      headers: StaticAssetHeaders,
      answers: answersOf('text/html', undefined, PAGE_HEADERS),
      async handle(ctx) {
        page ??= makePage(fileOf);
        const { asset, policy } = await page;
        ctx.set({ 'Content-Security-Policy': policy, 'Referrer-Policy': 'no-referrer' });
        send(ctx, asset);
      },
    }),
    operation({
      id: 'show_page_file',
      method: 'get',
      path: '/page/{file}',
      summary: 'Gives a file that the live page needs.',
      tag: 'documents',
      access: 'open',
      params: Params,
      query: Query,
      headers: StaticAssetHeaders,
      answers: answersOf([...new Set(Object.values(BROWSER_FILES).map(({ type }) => type))]),
      async handle(ctx, { params, query }) {
        const file = await fileOf(BROWSER_FILES[params.file] as BrowserFile);
        send(ctx, file, { immutable: query.v !== undefined && `"${query.v}"` === file.etag });
      },
    }),
  ];
}

type Read = (file: BrowserFile) => Promise<StaticAsset>;

async function makePage(fileOf: Read): Promise<Page> {
  const files = Object.entries(BROWSER_FILES);
  const addresses: Record<string, string> = {};
  for (const [name, file] of files) addresses[name] = addressOf(name, await fileOf(file));
  const imports = files.flatMap(([name, { importedAs }]) =>
    importedAs.map(specifier => [specifier, addresses[name] ?? '']),
  );
  const importMap = JSON.stringify({ imports: Object.fromEntries(imports) });
  const early = files.filter(([, { early, type }]) => early && type === 'text/javascript');
  const html = shellOf({ addresses, importMap, preload: early.map(([name]) => addresses[name] ?? '') });
  return { asset: staticAsset('text/html', html), policy: policyFor(importMap) };
}

function addressOf(name: string, { etag }: StaticAsset): string {
  return `/page/${name}?v=${etag.slice(1, -1)}`;
}

// No script, style or request but our own; of what stands in the page itself the import map alone, by its hash. Markup
// is made by lit-html's policy and by nothing else, so that no text of a task can become any.
function policyFor(importMap: string): string {
  const hash = createHash('sha256').update(importMap).digest('base64');
  return (
    `default-src 'none'; script-src 'self' 'sha256-${hash}'; style-src 'self'; connect-src 'self'; img-src 'self'; ` +
    `base-uri 'none'; form-action 'none'; frame-ancestors 'none'; ` +
    `require-trusted-types-for 'script'; trusted-types lit-html`
  );
}
