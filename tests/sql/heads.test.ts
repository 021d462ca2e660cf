// The head of each file of sql/ says what it is and, in its last line, from where it is called: `-- Called by: feed.watch(),
// src/queries/log.ts.` Both ways: a caller that is not named fails, and so does a name that does not call. What operators call
// by hand says `operators`, and a function that only rows or triggers reach says what of it.
import { readdir, readFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface File {
  name: string;
  text: string;
}

async function readAll(folder: string, ending: string): Promise<File[]> {
  const names = (await readdir(join(ROOT, folder), { recursive: true })).filter(name =>
    name.endsWith(ending),
  );
  return Promise.all(
    names.sort().map(async name => ({
      name: `${folder}/${name.replaceAll(sep, '/')}`,
      text: await readFile(join(ROOT, folder, name), 'utf8'),
    })),
  );
}

const MADE = /CREATE OR REPLACE FUNCTION (\w+\.\w+)\(/;
const functionOf = ({ text }: File) => MADE.exec(text)?.[1];
function headOf({ text }: File): string[] {
  const lines = text.split('\n');
  return lines.slice(
    0,
    lines.findIndex(line => !line.startsWith('--')),
  );
}

// What stands in a comment, a COMMENT ON, or a list of rights calls nothing.
const sqlCode = ({ text }: File) =>
  text
    .replaceAll(/--.*$/gm, '')
    .replaceAll(/COMMENT ON FUNCTION[^;]*;/g, '')
    .replaceAll(/(?:GRANT|REVOKE)[^;]*;/g, '')
    .replaceAll(/CREATE OR REPLACE FUNCTION \w+\.\w+\(/g, '')
    .replaceAll(/DROP FUNCTION[^;]*;/g, '')
    .replaceAll(/to_regprocedure\('[^']*'\)/g, '')
    .replaceAll(/(?:HINT|MESSAGE) = (?:format\()?'(?:[^']|'')*'/g, '')
    .replaceAll(/'[\w.]+\([^']*\)'::regprocedure/g, '');
const tsCode = ({ text }: File) => text.replaceAll(/^\s*(?:\/\/|\*|\/\*\*).*$/gm, '');

const isList = (name: string) => name.startsWith('sql/rights/') && name !== 'sql/rights/drift.sql';

function callersOf(name: string, self: File, sql: File[], src: File[]): string[] {
  const calls = new RegExp(`\\b${name.replace('.', '\\.')}\\(`);
  const inSql = sql
    .filter(file => file !== self && !isList(file.name) && calls.test(sqlCode(file)))
    .map(file => (functionOf(file) ? `${functionOf(file)}()` : file.name));
  const inSrc = src.filter(file => calls.test(tsCode(file))).map(file => file.name);
  return [...new Set([...inSql, ...inSrc])].filter(caller => caller !== `${name}()`).sort();
}

// feed.render() is chosen by the type of the row: the callers of one are those of all.
const saidBy = (line: string) =>
  line
    .replace(/^Called by: /, '')
    .replace(/\.$/, '')
    .split(', ')
    .filter(caller => caller !== 'operators' && caller !== 'instances of older versions')
    .sort();

test('the head of every function says from where it is called, and nothing else calls it', async t => {
  const [sql, src] = [await readAll('sql', '.sql'), await readAll('src', '.ts')];
  const functions = sql.filter(functionOf);
  t.true(functions.length > 50);
  for (const file of functions) {
    const head = headOf(file).join('\n').replaceAll('\n-- ', ' ');
    const last = /Called by: (?!.*Called by: ).*$/.exec(head)?.[0] ?? '';
    const callers = callersOf(functionOf(file) ?? '', file, sql, src);
    t.true(
      last.startsWith('Called by: '),
      `${file.name}: its head should end with -- Called by: ${callers.join(', ')}.`,
    );
    t.deepEqual(saidBy(last), callers, file.name);
  }
});

test('every file of sql/ begins with a sentence that says what it is', async t => {
  for (const file of await readAll('sql', '.sql')) t.regex(headOf(file)[0] ?? '', /^-- \S+ \S+/, file.name);
});
