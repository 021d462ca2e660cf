// A rolling upgrade: instances of two versions on one database, under load, as a proxy sees them. The newer version is a
// copy of this program with one migration and another sql/ more.
import { appendFile, cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { z } from 'zod';
import { createTestDatabase } from '../helpers/database.ts';
import { type Running, runToEnd, startProcess, startService } from '../helpers/process.ts';
import { readValue } from '../helpers/sql.ts';
import { until } from '../helpers/until.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SERVES = /the API is at (http:[^"\s]+)/;
const Ready = z.object({ status: z.string(), warnings: z.array(z.string()).optional() });
const Version = z.object({ version: z.number(), sha256: z.string() });

/** A copy of the program that is one version ahead; it goes with the test. */
async function makeNewer(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'taskwire-newer-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  for (const part of ['src', 'sql', 'migrations', 'package.json'])
    await cp(join(ROOT, part), join(folder, part), { recursive: true });
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  await writeFile(
    join(folder, 'migrations/9999_newer.sql'),
    `-- Up Migration\n\nALTER TABLE public.imports ADD COLUMN newer text;\n`,
  );
  await appendFile(join(folder, 'sql/shared/service_name.sql'), '\n-- newer\n');
  const file = join(folder, 'sql/version.json');
  const { version, sha256 } = Version.parse(JSON.parse(await readFile(file, 'utf8')));
  await writeFile(file, JSON.stringify({ version: version + 1, sha256 }));
  return folder;
}

const startNewer = (folder: string, url: string): Promise<Running> =>
  startProcess(
    process.execPath,
    [join(folder, 'src/main.ts')],
    { DATABASE_URL: url, PORT: '0', GENERATOR_CRON: 'off', RATES_CRON: 'off' },
    SERVES,
  );

async function readiness({ address }: Running): Promise<{ code: number; warnings: string[] }> {
  const answer = await fetch(`${address}/health/ready`);
  return { code: answer.status, warnings: Ready.parse(await answer.json()).warnings ?? [] };
}

/** Probes and writes as a proxy does, one request after the other, to the instances that it is given. */
function createLoad() {
  const behind = new Set<Running>();
  const faults: string[] = [];
  let [isOn, written] = [true, 0];
  let current = Promise.resolve();

  async function send(instance: Running): Promise<void> {
    const { code } = await readiness(instance);
    if (code !== 200) faults.push(`not ready: ${code}`);
    const answer = await fetch(`${instance.address}/tasks`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ title: `task ${written}` }),
    });
    await answer.arrayBuffer();
    if (answer.status === 201) written++;
    else faults.push(`POST: ${answer.status}`);
  }

  async function run(): Promise<void> {
    while (isOn) {
      for (const instance of behind) {
        current = send(instance).catch((error: unknown) => void faults.push(String(error)));
        await current;
      }
      await new Promise(setImmediate);
    }
  }

  const running = run();
  return {
    faults,
    add: (instance: Running) => behind.add(instance),
    /** Resolves when nothing is on its way to the instance any more. */
    async remove(instance: Running): Promise<void> {
      behind.delete(instance);
      await current;
    },
    /** Resolves with how many tasks were written. */
    async stop(): Promise<number> {
      isOn = false;
      await running;
      return written;
    },
  };
}

test('instances are replaced one by one by those of a newer version, and no request fails', async t => {
  const database = await createTestDatabase();
  const newer = await makeNewer(t);
  const load = createLoad();
  const started: Running[] = [];
  t.teardown(async () => {
    await load.stop();
    for (const instance of started) await instance.kill();
    await database.drop();
  });
  const start = async (starting: Promise<Running>): Promise<Running> => {
    const instance = await starting;
    started.push(instance);
    load.add(instance);
    return instance;
  };
  const retire = async (instance: Running): Promise<void> => {
    await load.remove(instance);
    await instance.stop();
  };
  const first = await start(startService(database.url));
  const second = await start(startService(database.url));

  const migrated = await runToEnd({ DATABASE_URL: database.url }, join(newer, 'src/commands/migrate.ts'));
  t.is(migrated.code, 0, migrated.output);
  t.regex(migrated.output, /applied 1 migration\napplied sql\//);
  const { code, warnings } = await readiness(first);
  t.is(code, 200);
  t.is(warnings.length, 2, warnings.join('\n'));

  // One of the older ones restarts in the middle of it, and leaves what is newer as it is.
  await retire(second);
  const restarted = await start(startService(database.url));
  const replacement = await start(startNewer(newer, database.url));
  t.deepEqual(await readiness(replacement), { code: 200, warnings: [] }, 'its sql/ is in place');
  await retire(first);
  await retire(restarted);

  const written = await load.stop();
  t.log(`${written} writes`);
  t.deepEqual(load.faults, []);
  const psql = await database.psql();
  t.is(await readValue(psql, 'SELECT count(*)::integer FROM tasks'), written);
  await until(async () =>
    readValue<boolean>(psql, 'SELECT count(*) = (SELECT count(*) FROM tasks) FROM feed.events'),
  );
  t.is(await readValue(psql, 'SELECT max(position) = count(*) FROM feed.events'), true);
  t.is(await readValue(psql, 'SELECT count(*)::integer FROM feed.verify()'), 0);
});
