// GET /docs: Swagger UI over /openapi.json. All that it needs comes from here: it works without a network, and tells
// no third party who reads what.
import { readFile } from 'node:fs/promises';
import { type Operation, operation } from '../web/operation.ts';
import {
  answersOf,
  createAssetFolder,
  NoParameters,
  PAGE_HEADERS,
  StaticAssetHeaders,
  sendPage,
  staticAsset,
} from './static_asset.ts';

const FILES = {
  'swagger-ui.css': file('text/css', 'swagger-ui-dist/swagger-ui.css'),
  'swagger-ui-bundle.js': file('text/javascript', 'swagger-ui-dist/swagger-ui-bundle.js'),
  'favicon.png': file('image/png', 'swagger-ui-dist/favicon-32x32.png'),
  'initializer.js': file('text/javascript', './initializer.ts'),
};

// No script, style or request but our own, no form, no frame around it. Swagger UI's icons are data.
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** GET /docs and the files that it needs. */
export function createDocsOperations(): Operation[] {
  const folder = createAssetFolder({
    id: 'show_docs_file',
    folder: '/docs',
    summary: 'Gives a file that the page needs.',
    files: FILES,
  });
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
        sendPage(ctx, staticAsset('text/html', pageOf(await folder.addresses())), POLICY);
      },
    }),
    folder.operation,
  ];
}

function file(type: string, from: string) {
  return { type, read: () => readFile(new URL(import.meta.resolve(from))) };
}

function pageOf(addresses: Readonly<Record<string, string>>): string {
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
