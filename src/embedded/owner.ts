// Which of several processes on one data folder starts its server: the owner, found without waiting or locks; and who of
// them lives. The last to leave stops it, see share.ts.
import { randomUUID } from 'node:crypto';
import { link, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { ownStamp, processStamp, unlessGone } from './process.ts';

/** Held from claim to release by one service; a process that dies without releasing loses it. */
export interface Ownership {
  release(): Promise<void>;
}

/** What a file in the folder says of the process that wrote it; `share` of an owner is the name of its share. */
export type Party = z.infer<typeof partySchema>;

const partySchema = z.object({
  pid: z.number(),
  stamp: z.string(),
  folder: z.string(),
  share: z.string().optional(),
});

/**
 * Becomes the owner, or gives undefined when another living process is. `folder` holds one small file per claim, numbered
 * upwards, of which only the highest counts. A number can be taken once, and the process that took it looks once more whether it
 * is still the highest: so two that find the same dead owner never both succeed it.
 */
export async function claimOwnership(folder: string, share: string): Promise<Ownership | undefined> {
  const last = (await claims(folder)).at(-1) ?? 0;
  if (last > 0 && (await livingParty(folder, String(last)))) return undefined;
  const mine = last + 1;
  if (!(await take(folder, mine, share))) return undefined;
  const all = await claims(folder);
  if (all.at(-1) !== mine) return undefined;
  await Promise.all(all.slice(0, -1).map(old => rm(join(folder, String(old)), { force: true })));
  // Emptied, not removed: were the numbers to begin again, a slow claimant could hold an old one that looks highest.
  return { release: () => replace(join(folder, String(mine)), '') };
}

/** The living owner. */
export async function livingOwner(folder: string): Promise<Party | undefined> {
  const last = (await claims(folder)).at(-1);
  return last === undefined ? undefined : livingParty(folder, String(last));
}

/** The process that wrote a file of the folder, if it lives. */
export async function livingParty(folder: string, name: string): Promise<Party | undefined> {
  const party = await read(join(folder, name));
  if (!party || party.folder !== (await identify(folder))) return undefined;
  return (await processStamp(party.pid)) === party.stamp ? party : undefined;
}

/** Writes a file of the folder that says who this process is. */
export async function writeParty(folder: string, name: string, share?: string): Promise<void> {
  const party: Party = { pid: process.pid, stamp: await ownStamp(), folder: await identify(folder), share };
  await replace(join(folder, name), JSON.stringify(party));
}

/** Makes a folder that only its user may enter, with those above it. Node's own way never ends where one that exists says ENOENT, as /proc does. */
export async function makeFolder(path: string): Promise<void> {
  const isThere = await stat(path).then(
    found => found.isDirectory(),
    () => false,
  );
  if (isThere) return;
  if (dirname(path) !== path) await makeFolder(dirname(path));
  await mkdir(path, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
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

// A process whose file cannot be read may live: only a file that is not there says nothing of any.
async function read(path: string): Promise<Party | undefined> {
  const text = await readFile(path, 'utf8').catch(unlessGone);
  try {
    return partySchema.parse(JSON.parse(text ?? ''));
  } catch {
    // Released, or torn by a power failure, which no process outlives.
    return undefined;
  }
}

// link() refuses a name that exists, and the file has its content before it has its name.
async function take(folder: string, claim: number, share: string): Promise<boolean> {
  const draft = `draft-${randomUUID()}`;
  await writeParty(folder, draft, share);
  try {
    await link(join(folder, draft), join(folder, String(claim)));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(join(folder, draft), { force: true });
  }
}

async function replace(path: string, content: string): Promise<void> {
  const draft = join(dirname(path), `draft-${randomUUID()}`);
  await writeFile(draft, content, { mode: 0o600 });
  await rename(draft, path);
}

// A copy of the data folder carries the original's owner, who does not own the copy.
async function identify(folder: string): Promise<string> {
  const { dev, ino } = await stat(folder, { bigint: true });
  return `${dev}:${ino}`;
}
