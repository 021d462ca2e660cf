// Which of several processes on one data folder starts and stops its server: the owner, found without waiting or locks.
import { randomUUID } from 'node:crypto';
import { link, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { ownStamp, processStamp } from './process.ts';

/** Held from claim to release by one service; a process that dies without releasing loses it. */
export interface Ownership {
  release(): Promise<void>;
}

const ownerSchema = z.object({ pid: z.number(), stamp: z.string(), folder: z.string() });

/**
 * Becomes the owner, or gives undefined when somebody living is. `folder` is made if missing; it holds one small file
 * per claim, numbered upwards, of which only the highest counts. A number can be taken once, and whoever took it looks
 * once more whether it is still the highest: so two that find the same dead owner never both succeed it.
 */
export async function claimOwnership(folder: string): Promise<Ownership | undefined> {
  await makeFolder(folder);
  const last = (await claims(folder)).at(-1) ?? 0;
  if (last > 0 && (await isHeld(folder, last))) return undefined;
  const mine = last + 1;
  if (!(await take(folder, mine))) return undefined;
  const all = await claims(folder);
  if (all.at(-1) !== mine) return undefined;
  await Promise.all(all.slice(0, -1).map(old => rm(join(folder, String(old)), { force: true })));
  // Emptied, not removed: were the numbers to begin again, a slow claimant could hold an old one that looks highest.
  return { release: () => replace(join(folder, String(mine)), '') };
}

/** The pid of the living owner, for messages. */
export async function livingOwner(folder: string): Promise<number | undefined> {
  const last = (await claims(folder).catch(() => [])).at(-1);
  return last && (await isHeld(folder, last)) ? (await read(folder, last))?.pid : undefined;
}

// Node's own recursive mkdir never ends where a folder that exists says ENOENT to a new one, as /proc does.
async function makeFolder(path: string): Promise<void> {
  const isThere = await stat(path).then(
    found => found.isDirectory(),
    () => false,
  );
  if (isThere) return;
  if (dirname(path) !== path) await makeFolder(dirname(path));
  await mkdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error; // made by another process meanwhile; a file would say so right after
  });
}

async function claims(folder: string): Promise<number[]> {
  const names = await readdir(folder);
  return names
    .filter(name => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

async function isHeld(folder: string, claim: number): Promise<boolean> {
  const owner = await read(folder, claim);
  if (!owner || owner.folder !== (await identify(folder))) return false;
  return (await processStamp(owner.pid)) === owner.stamp;
}

async function read(folder: string, claim: number) {
  const text = await readFile(join(folder, String(claim)), 'utf8').catch(() => '');
  try {
    return ownerSchema.parse(JSON.parse(text));
  } catch {
    // Released, or torn by a power failure, which no owner outlives.
    return undefined;
  }
}

// link() refuses a name that exists, and the file has its content before it has its name.
async function take(folder: string, claim: number): Promise<boolean> {
  const draft = join(folder, `draft-${randomUUID()}`);
  const owner = { pid: process.pid, stamp: await ownStamp(), folder: await identify(folder) };
  await writeFile(draft, JSON.stringify(owner));
  try {
    await link(draft, join(folder, String(claim)));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

async function replace(path: string, content: string): Promise<void> {
  const draft = `${path}-${randomUUID()}`;
  await writeFile(draft, content);
  await rename(draft, path);
}

// A copy of the data folder carries the original's owner, who does not own the copy.
async function identify(folder: string): Promise<string> {
  const { dev, ino } = await stat(folder, { bigint: true });
  return `${dev}:${ino}`;
}
