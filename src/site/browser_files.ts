// What a browser gets of the page: its modules with their types taken out, the libraries as they were published, and the
// style. Nothing is built: each is read once, when it is first asked for.
import { readdir, readFile } from 'node:fs/promises';
import { findPackageJSON } from 'node:module';
import { pathToFileURL } from 'node:url';
import { readClientScript, withoutTypes } from '../api_docs/client_script.ts';
import { joinModules } from './join_modules.ts';

/** A file of the page. */
interface BrowserFile {
  type: 'text/javascript' | 'text/css' | 'image/svg+xml';
  /** What a module that wants it writes in its import, as the browser resolves it. */
  importedAs: readonly string[];
  /** Whether it is there before the first row: else the page asks for it itself, later. */
  early: boolean;
  read(): Promise<string>;
}

const PAGE = new URL('../page/', import.meta.url);

const LIBRARIES: Readonly<Record<string, BrowserFile>> = {
  'lit-html.js': library('lit-html/lit-html.js', ['lit-html', '/lit-html.js', '/page/lit-html.js']),
  'directive.js': library('lit-html/directive.js', ['/directive.js']),
  'directive-helpers.js': library('lit-html/directive-helpers.js', ['/directive-helpers.js']),
  'repeat.js': library('lit-html/directives/repeat.js', ['lit-html/directives/repeat.js']),
  'live.js': library('lit-html/directives/live.js', ['lit-html/directives/live.js']),
  'uplot.js': {
    ...library('uplot/dist/uPlot.iife.min.js', ['uplot']),
    early: false,
    // Its small form is a script, not a module.
    read: async () => `${await readLibrary('uplot/dist/uPlot.iife.min.js')}\nexport default uPlot;\n`,
  },
  'uplot.css': {
    ...library('uplot/dist/uPlot.min.css', []),
    type: 'text/css',
  },
};

/** All files that can be asked for, by their names. */
export const BROWSER_FILES: Readonly<Record<string, BrowserFile>> = {
  'page.js': { type: 'text/javascript', importedAs: [], early: true, read: readPage },
  ...LIBRARIES,
  'client.js': {
    type: 'text/javascript',
    importedAs: ['/client/client.ts'],
    early: true,
    read: readClientScript,
  },
  'style.css': { type: 'text/css', importedAs: [], early: true, read: () => readHere('style.css') },
  'icon.svg': { type: 'image/svg+xml', importedAs: [], early: true, read: () => readHere('icon.svg') },
};

async function readPage(): Promise<string> {
  const names = (await readdir(PAGE)).filter(name => name.endsWith('.ts'));
  const modules = names.map(async name => [name, withoutTypes(await readHere(name))] as const);
  return joinModules(new Map(await Promise.all(modules)), 'main.ts');
}

function library(from: string, importedAs: readonly string[]): BrowserFile {
  return { type: 'text/javascript', importedAs, early: true, read: () => readLibrary(from) };
}

// Beside its package.json, for what a package exports to Node is another form of it. Its maps are not served: a browser
// whose tools are open would ask for them in vain.
async function readLibrary(from: string): Promise<string> {
  const [, name = '', path = ''] = /^([^/]+)(\/.*)$/.exec(from) ?? [];
  const home = findPackageJSON(name, import.meta.url);
  if (home === undefined) throw new Error(`${name} is not installed`);
  const text = await readFile(new URL(`.${path}`, pathToFileURL(home)), 'utf8');
  return text.replace(/\n\/\/# sourceMappingURL=.*\s*$/, '\n');
}

function readHere(name: string): Promise<string> {
  return readFile(new URL(name, PAGE), 'utf8');
}
