// What README and docs/ say is true: every command and every example is run as it stands there, every link leads
// somewhere, and every file, command and setting that is named is there. Only the addresses are another instance's.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import { EventEnvelope } from '../src/events.ts';
import { readRateMessage } from '../src/nats/rate_message.ts';
import { SECTIONS } from '../src/runbook.ts';
import { createTestDatabase, type TestDatabase } from './helpers/database.ts';
import { createTestNats, NATS_SERVER, type TestNats } from './helpers/nats_server.ts';
import { type Running, startService } from './helpers/process.ts';
import { until } from './helpers/until.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const INSTALLED = ['node_modules/.bin', 'tests/generated_client/node_modules/.bin']
  .map(folder => join(ROOT, folder))
  .join(delimiter);
// What the scene below is: these lines start it, and cannot be run in it.
const STARTS = /^(npm ci|npm install|nats-server -js|NATS_URL=\S+ npm start)/;
// The output that a reader is told to expect; without a line here a command must only succeed.
const EXPECTED: [command: string, output: RegExp[]][] = [
  ['new WebSocket', [/"title" ?: ?"from psql"/, /"title" ?: ?"from REST"/]],
  ['convert?from', [/"result":/]],
];

interface Scene {
  database: TestDatabase;
  nats: TestNats | undefined;
  service: Running;
  task: { id: string };
  /** A folder in which the commands run: the project's, but what they write is taken away. */
  folder: string;
}

const test = anyTest as TestFn<Scene>;

test.before(async t => {
  const database = await createTestDatabase();
  const nats = NATS_SERVER ? await createTestNats() : undefined;
  const service = await startService(database.url, nats ? { NATS_URL: nats.url } : {});
  const body = JSON.stringify({ title: 'Water the plants' });
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`${service.address}/tasks`, { method: 'POST', headers, body });
  const psql = await database.psql();
  await psql.query(`INSERT INTO currencies (currency, rate) VALUES ('USD', 83.51), ('EUR', 90)`);
  const folder = await mkdtemp(join(tmpdir(), 'taskwire-docs-'));
  for (const name of ['package.json', 'node_modules', 'src', 'sql', 'migrations']) {
    await symlink(join(ROOT, name), join(folder, name));
  }
  Object.assign(t.context, { database, nats, service, folder, task: await answer.json() });
});

test.after.always(async t => {
  await t.context.service?.stop();
  await t.context.nats?.drop();
  await t.context.database?.drop();
  await rm(t.context.folder, { recursive: true, force: true });
});

interface Page {
  name: string;
  text: string;
}

async function readPages(): Promise<Page[]> {
  const docs = (await readdir(join(ROOT, 'docs'), { recursive: true }))
    .map(name => name.replaceAll(sep, '/'))
    .filter(name => name.endsWith('.md'));
  const names = ['README.md', 'tests/README.md', ...docs.map(name => `docs/${name}`)];
  return Promise.all(names.map(async name => ({ name, text: await readFile(join(ROOT, name), 'utf8') })));
}

async function readExamples(language: string): Promise<Page[]> {
  return (await readPages()).flatMap(({ name, text }) =>
    [...text.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(([, code]) => ({
      name,
      text: code ?? '',
    })),
  );
}

test('every command can be typed as it stands', async t => {
  const examples = await readExamples('sh');
  t.true(examples.length > 4);
  for (const { name, text } of examples) {
    const lines = text.split('\n').filter(line => line !== '' && !STARTS.test(line));
    if (name === 'docs/nats.md' && !t.context.nats) continue;
    if (lines.length > 0) await runCommands(t, name, lines.join('\n'));
  }
});

async function runCommands(t: ExecutionContext<Scene>, name: string, commands: string): Promise<void> {
  const { database, service, task, folder } = t.context;
  const { host } = new URL(service.address);
  const script = commands.replaceAll(/(localhost|127\.0\.0\.1):8000/g, host).replaceAll('<id>', task.id);
  // A refused request is a failure, as it would be to the reader; npx runs what is installed, here or for the client.
  const strict = 'set -euo pipefail; curl() { command curl --fail-with-body "$@"; }; npx() { "$@"; }';
  const child = spawn('bash', ['-c', `${strict}\n${script}`], {
    cwd: folder,
    env: { ...process.env, DATABASE_URL: database.url, PATH: `${INSTALLED}${delimiter}${process.env.PATH}` },
    detached: true, // a group of its own, to be ended whole: what it leaves in the background
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', data => (output += data));
  try {
    const [code] = await once(child, 'exit');
    t.is(code, 0, `${name}:\n${commands}\n${output}`);
    const expected = EXPECTED.find(([command]) => commands.includes(command))?.[1] ?? [];
    await until(() => expected.every(pattern => pattern.test(output)));
  } finally {
    endGroup(child);
  }
}

function endGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended by itself, with all that it had begun.
  }
}

test('every SQL statement can be run as it stands', async t => {
  const examples = await readExamples('sql');
  t.true(examples.length > 1);
  const psql = await t.context.database.psql();
  for (const { name, text } of examples) {
    await t.notThrowsAsync(psql.query(text), `${name}:\n${text}`);
  }
});

test('every JSON example is what the service takes or sends', async t => {
  const examples = await readExamples('json');
  t.true(examples.length > 2);
  for (const { name, text } of examples) {
    const value = JSON.parse(text);
    if ('specversion' in value) checkEvent(t, name, value);
    else if ('operations' in value) await checkBatch(t, name, value);
    else if ('rate' in value) t.true('message' in readRateMessage(Buffer.from(text)), name);
    else t.fail(`nothing here checks this example of ${name}: ${text}`);
  }
});

function checkEvent(t: ExecutionContext<Scene>, name: string, event: Record<string, unknown>): void {
  const { data } = event;
  const full = { ...event, subject: t.context.task.id };
  const { error } = EventEnvelope.safeParse(full);
  t.is(error, undefined, name);
  t.deepEqual(Object.keys(data as object), ['task', 'previous'], name);
}

async function checkBatch(
  t: ExecutionContext<Scene>,
  name: string,
  { operations }: { operations: { id?: string; version?: number }[] },
): Promise<void> {
  const { address } = t.context.service;
  const send = (path: string, body: unknown) =>
    fetch(`${address}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const real = operations.map(async operation => {
    if (operation.id === undefined) return operation;
    const made = await (await send('/tasks', { title: 'of a batch' })).json();
    const { id, version } = made as { id: string; version: number };
    return { ...operation, id, ...(operation.version !== undefined && { version }) };
  });
  const answer = await send('/tasks/batch', { operations: await Promise.all(real) });
  t.is(answer.status, 200, `${name}: ${await answer.text()}`);
}

test('every link leads somewhere', async t => {
  const pages = await readPages();
  const dead = pages.flatMap(page =>
    [...page.text.matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, target]) => target ?? '')
      .filter(target => !/^https?:/.test(target) && !leads(page, target, pages))
      .map(target => `${page.name}: ${target}`),
  );
  t.deepEqual(dead, []);
});

function leads(from: Page, target: string, pages: Page[]): boolean {
  const [file, anchor] = target.split('#');
  const path = file ? resolve(ROOT, dirname(from.name), file) : join(ROOT, from.name);
  if (!existsSync(path)) return false;
  if (anchor === undefined) return true;
  const page = pages.find(({ name }) => join(ROOT, name) === path);
  return [...(page?.text ?? '').matchAll(/^#+ (.*)$/gm)].some(
    ([, title]) => anchorOf(title ?? '') === anchor,
  );
}

const anchorOf = (title: string) =>
  title
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

test('the runbook has the sections that readiness, alerts and the doctor name, and no others', async t => {
  const runbook = (await readPages()).find(({ name }) => name === 'docs/operations/runbook.md');
  const headings = [...(runbook?.text ?? '').matchAll(/^## (.*)$/gm)].map(([, title]) =>
    anchorOf(title ?? ''),
  );
  t.deepEqual(headings, [...SECTIONS]);
});

test('every file of the project that is named is there', async t => {
  const pages = await readPages();
  const missing = pages.flatMap(({ name, text }) =>
    [...text.matchAll(/`((?:src|sql|tests|migrations|docs)\/[\w./-]*)`/g)]
      .map(([, path]) => path ?? '')
      .filter(path => !existsSync(join(ROOT, path)) && !existsSync(join(ROOT, dirname(name), path)))
      .map(path => `${name}: ${path}`),
  );
  t.deepEqual(missing, []);
});

test('every npm command that is named is there', async t => {
  const { scripts } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  const named = (await readPages()).flatMap(({ text }) =>
    [...text.matchAll(/npm run (\w+)/g)].map(([, name]) => name ?? ''),
  );
  t.true(named.length > 10);
  t.deepEqual(
    named.filter(name => !(name in scripts)),
    [],
  );
});

test('README lists every setting that there is, and so does .env.example', async t => {
  const source = await readFile(join(ROOT, 'src/config.ts'), 'utf8');
  const settings = [...source.matchAll(/^ {2}([A-Z_]{4,}): /gm)].map(([, name]) => name ?? '').sort();
  t.true(settings.length > 15);
  const [readme] = await readPages();
  const table = /^## Settings$([\s\S]*?)^## /m.exec(readme?.text ?? '')?.[1] ?? '';
  const rows = [...table.matchAll(/^\| ([^|]*) \|/gm)].map(([, cell]) => cell ?? '').join();
  t.deepEqual([...rows.matchAll(/`([A-Z_]+)`/g)].map(([, name]) => name).sort(), settings);
  const example = await readFile(join(ROOT, '.env.example'), 'utf8');
  const lines = [...example.matchAll(/^#?([A-Z_]{4,})=/gm)].map(([, name]) => name ?? '');
  t.deepEqual([...new Set(lines)].sort(), settings);
});

test('README is short enough to be read', async t => {
  const [readme] = await readPages();
  t.true((readme?.text ?? '').split('\n').length <= 250);
});
