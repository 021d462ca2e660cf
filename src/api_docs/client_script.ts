// The client for a page, as one script: its modules behind each other, without types. No bundler is needed where it is
// served, since the modules share no names and import nothing else; tests/client/script.test.ts holds them to that.
import { readFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';

const IMPORT = /^import\s*\{([^}]*)\}\s*from '(\.\/[^']+)';$/gm;
const FORWARD = /^export\s*\{([^}]*)\}\s*from '\.\/[^']+';$/gm;
const COMMENT = /^\s*\/\/.*\n|^\s*\/\*\*[\s\S]*?\*\/\n/gm;

const ENTRY = new URL('../client/client.ts', import.meta.url);
let made: Promise<string> | undefined;

/** The client, put together once. */
export function readClientScript(): Promise<string> {
  made ??= bundle(ENTRY);
  return made;
}

/** A module and all that it imports from beside it, as one. */
export async function bundle(entry: URL): Promise<string> {
  const modules = new Map<string, string>();
  await gather(entry, modules);
  const texts = [...modules].map(([name, code]) => {
    const text = code.replaceAll(IMPORT, '');
    return name === entry.href
      ? text.replaceAll(FORWARD, 'export {$1};')
      : text.replaceAll(/^export (?=\w)/gm, '');
  });
  return `${texts.join('\n').replaceAll(/\s*\n/g, '\n').trim()}\n`;
}

// What is imported comes before what imports it.
async function gather(module: URL, into: Map<string, string>): Promise<void> {
  if (into.has(module.href)) return;
  into.set(module.href, '');
  const code = withoutTypes(await readFile(module, 'utf8'));
  for (const [, , path = ''] of code.matchAll(IMPORT)) await gather(new URL(path, module), into);
  into.delete(module.href);
  into.set(module.href, code);
}

/**
 * A module without types, and without comments that stand on lines of their own. Node says that this may change, and no
 * operator could do anything about it.
 */
export function withoutTypes(code: string): string {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return stripTypeScriptTypes(code.replaceAll(COMMENT, '\n'));
  } finally {
    process.emitWarning = emitWarning;
  }
}
