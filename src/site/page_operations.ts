// GET /: the live page. All that it needs comes from here, under a policy that lets nothing else in.
import { createHash } from 'node:crypto';
import {
  answersOf,
  createAssetFolder,
  NoParameters,
  PAGE_HEADERS,
  type StaticAsset,
  StaticAssetHeaders,
  sendPage,
  staticAsset,
} from '../api_docs/static_asset.ts';
import { type Operation, operation } from '../web/operation.ts';
import { BROWSER_FILES } from './browser_files.ts';
import { shellOf } from './shell.ts';

interface Page {
  asset: StaticAsset;
  policy: string;
}

/** GET / and the files that it needs. */
export function createPageOperations(): Operation[] {
  const folder = createAssetFolder({
    id: 'show_page_file',
    folder: '/page',
    summary: 'Gives a file that the live page needs.',
    files: BROWSER_FILES,
  });
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
        page ??= folder.addresses().then(makePage);
        const { asset, policy } = await page;
        sendPage(ctx, asset, policy);
      },
    }),
    folder.operation,
  ];
}

function makePage(addresses: Readonly<Record<string, string>>): Page {
  const files = Object.entries(BROWSER_FILES);
  const imports = files.flatMap(([name, { importedAs }]) =>
    importedAs.map(specifier => [specifier, addresses[name] ?? '']),
  );
  const importMap = JSON.stringify({ imports: Object.fromEntries(imports) });
  const early = files.filter(([, { early, type }]) => early && type === 'text/javascript');
  const html = shellOf({ addresses, importMap, preload: early.map(([name]) => addresses[name] ?? '') });
  return { asset: staticAsset('text/html', html), policy: policyFor(importMap) };
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
