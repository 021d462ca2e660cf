// The archive: what retention takes out of the database, in files that are written once. A file holds some thousand events
// in their order, each a line of JSON, compressed: `zcat` and `jq` read it as well.
import { createHash, randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { ArchiveDamaged } from '../errors.ts';
import { LogRow, PAGE_BYTES } from '../events.ts';
import { singleFlightByRequest } from '../feed/limiter.ts';

/** A file of the archive, `<folder>/<log>/<first>-<last>.jsonl.gz`; the hash is of its bytes as they lie on disk. */
export interface ArchivedFile {
  log: string;
  first: number;
  last: number;
  sha256: string;
}

export interface Archive {
  /**
   * Writes rows of the log, whose positions follow each other, to a file of their own, and reads it back. A file of that name
   * that holds the same stays; another one is replaced at once and whole. Throws what the file system says, or ArchiveDamaged if it does not give back what it took.
   */
  write(log: string, rows: readonly LogRow[]): Promise<ArchivedFile & { bytes: number }>;
  /** The rows of a file in (after, through], or so many as fill a page. Throws ArchiveDamaged. */
  read(file: ArchivedFile, after: number, through: number): Promise<readonly LogRow[]>;
}

/** How much goes into a file, whichever comes first. */
export const FILE_ROWS = 10_000;
export const FILE_BYTES = 8 * 1024 * 1024; // before they are compressed

const KEPT_BYTES = 32 * 1024 * 1024; // of files that were read, for a client that reads on page by page
const ABANDONED_AFTER = 3_600_000; // ms: a file that was being written for so long has no writer any more
const TEMPORARY = '.tmp';
const OWN_TEMPORARY = /^\.\d+-\d+\.jsonl\.gz\.[0-9a-f-]{36}\.tmp$/;
const compress = promisify(gzip);
const decompress = promisify(gunzip);

/** The archive in a folder, which is made when the first file is written. */
export function createArchive(folder: string): Archive {
  const kept = new Map<string, { rows: readonly LogRow[]; bytes: number }>(); // the least recently used first
  const reads = singleFlightByRequest(load);

  async function load(file: ArchivedFile): Promise<readonly LogRow[]> {
    const { rows, bytes } = await readWhole(folder, file);
    keep(keyOf(file), { rows, bytes });
    return rows;
  }

  function keep(key: string, found: { rows: readonly LogRow[]; bytes: number }): void {
    kept.delete(key);
    kept.set(key, found);
    let bytes = [...kept.values()].reduce((sum, each) => sum + each.bytes, 0);
    for (const [oldest, old] of kept) {
      if (bytes <= KEPT_BYTES || old === found) return;
      kept.delete(oldest);
      bytes -= old.bytes;
    }
  }

  return {
    async write(log, rows) {
      const [first, last] = [rows[0]?.position, rows.at(-1)?.position];
      if (first === undefined || last === undefined)
        throw new RangeError('a file of the archive holds at least one event');
      const text = rows.map(lineOf).join('');
      const bytes = await compress(text);
      const stored = await store(join(folder, log), `${first}-${last}.jsonl.gz`, { bytes, text });
      const file = { log, first, last, sha256: hashOf(stored) };
      await readWhole(folder, file);
      return { ...file, bytes: stored.length };
    },
    async read(file, after, through) {
      const key = keyOf(file);
      const found = kept.get(key);
      if (found) keep(key, found);
      const rows = found?.rows ?? (await reads.ask(file));
      return pageOf(rows.slice(Math.max(0, after + 1 - file.first), Math.max(0, through + 1 - file.first)));
    },
  };
}

// As versions from before there were tokens write it, and read it: they know no actor.
function lineOf({ actor, ...row }: LogRow): string {
  return `${JSON.stringify(actor === null ? row : { ...row, actor })}\n`;
}

const keyOf = ({ log, first, last, sha256 }: ArchivedFile) => `${log}/${first}-${last} ${sha256}`;
const hashOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

const sizeOf = (text: string | null) => (text === null ? 0 : Buffer.byteLength(text));

function pageOf(rows: readonly LogRow[]): readonly LogRow[] {
  let bytes = 0;
  const end = rows.findIndex(({ data, previous }) => {
    bytes += sizeOf(data) + sizeOf(previous);
    return bytes >= PAGE_BYTES;
  });
  return end < 0 ? rows : rows.slice(0, end + 1);
}

// A link puts a file in its place whole or not at all, and is itself kept once its folder is (fsync(2)). One that is there and
// holds the same stays, however it was compressed: another leader may have entered it by its hash. Returns the bytes that are there.
async function store(
  folder: string,
  name: string,
  { bytes, text }: { bytes: Buffer; text: string },
): Promise<Buffer> {
  await mkdir(folder, { recursive: true });
  await removeAbandoned(folder);
  const temporary = join(folder, `.${name}.${randomUUID()}${TEMPORARY}`);
  try {
    const handle = await open(temporary, 'wx');
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    const found = await link(temporary, join(folder, name)).then(
      () => undefined,
      (error: NodeJS.ErrnoException) => readSame(join(folder, name), text, error),
    );
    if (found === 'another') await rename(temporary, join(folder, name));
    for (const each of [folder, join(folder, '..')]) await syncFolder(each);
    return found instanceof Buffer ? found : bytes;
  } finally {
    await rm(temporary, { force: true });
  }
}

async function readSame(
  path: string,
  text: string,
  error: NodeJS.ErrnoException,
): Promise<Buffer | 'another'> {
  if (error.code !== 'EEXIST') throw error;
  const bytes = await readFile(path);
  const found = await decompress(bytes).catch(() => undefined); // half a file, or another program's
  return found?.toString('utf8') === text ? bytes : 'another';
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

// Of writers that were killed.
async function removeAbandoned(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!OWN_TEMPORARY.test(name)) continue;
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined); // another instance was faster
    if (found?.isFile() && Date.now() - found.mtimeMs > ABANDONED_AFTER) await rm(path, { force: true });
  }
}

async function readWhole(
  folder: string,
  file: ArchivedFile,
): Promise<{ rows: readonly LogRow[]; bytes: number }> {
  const name = `${file.log}/${file.first}-${file.last}`;
  const damaged = (what: string, cause?: unknown) =>
    new ArchiveDamaged(`the archive's file ${name} ${what}`, { cause });
  const bytes = await readFile(join(folder, `${name}.jsonl.gz`)).catch(
    async (error: NodeJS.ErrnoException) => {
      // A folder that is away may come back, and so may what a process has too many of: then the caller asks again.
      if (error.code === 'ENOENT' && (await stat(folder).catch(() => undefined)))
        throw damaged('is missing', error);
      if (error.code === 'EISDIR') throw damaged('is a folder', error);
      throw error;
    },
  );
  if (hashOf(bytes) !== file.sha256) throw damaged('is not as it was written: its SHA-256 is another');
  const text = await decompress(bytes).catch((error: unknown) => {
    throw damaged('is no gzip file', error);
  });
  const lines = text.toString('utf8').split('\n');
  if (lines.pop() !== '') throw damaged('ends in the middle of a line');
  const rows = lines.map((line, index) => {
    const row = rowOf(line);
    if (row?.position !== file.first + index)
      throw damaged(`does not hold position ${file.first + index} where it should`);
    return row;
  });
  if (rows.at(-1)?.position !== file.last) throw damaged(`does not hold position ${file.last}`);
  return { rows, bytes: text.length };
}

function rowOf(line: string): LogRow | undefined {
  try {
    return LogRow.strip().parse(JSON.parse(line));
  } catch {
    return undefined; // its caller names the position
  }
}
