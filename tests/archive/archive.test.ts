// The files of the archive: what was written is read as it was, and what is not as it was written is named.
import { execFileSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { createArchive } from '../../src/archive/archive.ts';
import { ArchiveDamaged } from '../../src/errors.ts';
import { PAGE_BYTES } from '../../src/events.ts';
import { LOG_ID, logRow, logRows } from '../helpers/rows.ts';

async function folderOf(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'taskwire-archive-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const NASTY = [
  '{ "id" : 1,  "spaces" : "as they were" }',
  '{"lines":"\\n\u2028\u2029","emoji":"🦉","lone":"\\ud800"}',
  '{"n":1e400,"n":1}',
];

test('what was written is read as it was, to the byte', async t => {
  const archive = createArchive(join(await folderOf(t), 'made', 'when needed'));
  const rows = [
    ...NASTY.map((data, index) =>
      logRow(index + 5, { data, previous: index === 0 ? null : data, requestid: 'r' }),
    ),
    logRow(8, { data: null, entity: 'task' }),
    logRow(9, { data: JSON.stringify({ large: 'x'.repeat(16 * 1024 * 1024) }) }),
  ];
  const file = await archive.write(LOG_ID, rows);
  t.like(file, { log: LOG_ID, first: 5, last: 9 });
  t.deepEqual(await archive.read(file, 4, 9), rows);
  t.deepEqual(await archive.read(file, 5, 7), rows.slice(1, 3));
});

test('a file is what an older version reads, but for what only this one knows, and what a newer one adds is passed over', async t => {
  const folder = await folderOf(t);
  const archive = createArchive(folder);
  const actor = '{"id":"AAAAAAAA","name":"ci"}';
  const rows = [logRow(1), logRow(2, { actor })];
  const file = await archive.write(LOG_ID, rows);
  const path = join(folder, LOG_ID, '1-2.jsonl.gz');
  const lines = gunzipSync(await readFile(path))
    .toString()
    .trimEnd()
    .split('\n');
  t.deepEqual(
    lines.map(line => JSON.parse(line).actor),
    [undefined, actor],
  );
  const newer = gzipSync(lines.map(line => `${line.slice(0, -1)},"to_come":1}\n`).join(''));
  await writeFile(path, newer);
  const sha256 = createHash('sha256').update(newer).digest('hex');
  t.deepEqual(await createArchive(folder).read({ ...file, sha256 }, 0, 2), rows);
});

test('a file is gzip of a line of JSON for each event, for other programs too', async t => {
  const folder = await folderOf(t);
  await createArchive(folder).write(LOG_ID, logRows(0, 3));
  const text = execFileSync('gzip', ['-dc', join(folder, LOG_ID, '1-3.jsonl.gz')], { encoding: 'utf8' });
  t.deepEqual(
    text
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line)),
    logRows(0, 3).map(({ actor, ...row }) => row),
  );
});

test('a page ends with the row that fills it, and the next one goes on behind it', async t => {
  const archive = createArchive(await folderOf(t));
  const rows = logRows(0, 40, { data: JSON.stringify({ text: 'x'.repeat(PAGE_BYTES / 8) }) });
  const file = await archive.write(LOG_ID, rows);
  const pages = [];
  for (let after = 0; after < 40; after = pages.at(-1)?.at(-1)?.position ?? 40)
    pages.push(await archive.read(file, after, 40));
  t.true(pages.length > 4);
  t.deepEqual(pages.flat(), rows);
});

const DAMAGE: Record<string, [damage: (path: string) => Promise<unknown>, said: RegExp]> = {
  'it is missing': [path => rm(path), /1-3 is missing/],
  'a folder is in its place': [path => rm(path).then(() => mkdir(path)), /1-3 is a folder/],
  'it is cut short': [path => truncate(path, 20), /1-3 is not as it was written: its SHA-256 is another/],
  'it is another file': [
    path => writeFile(path, gzipSync(`${JSON.stringify(logRow(1))}\n`)),
    /1-3 is not as it was written/,
  ],
};
for (const [name, [damage, said]] of Object.entries(DAMAGE)) {
  test(`a damaged file is named, and what is wrong with it: ${name}`, async t => {
    const folder = await folderOf(t);
    const file = await createArchive(folder).write(LOG_ID, logRows(0, 3));
    await damage(join(folder, LOG_ID, '1-3.jsonl.gz'));
    const error = await t.throwsAsync(createArchive(folder).read(file, 0, 3), { instanceOf: ArchiveDamaged });
    t.regex(error.message, said);
    t.true(error.message.includes(LOG_ID));
  });
}

const CONTENT: Record<string, [text: string, said: RegExp]> = {
  'no JSON': ['{"position":1\n', /does not hold position 1 where it should/],
  'another position': [`${JSON.stringify(logRow(2))}\n`, /does not hold position 1 where it should/],
  'fewer rows': [`${JSON.stringify(logRow(1))}\n`, /does not hold position 3/],
  'half a line': [JSON.stringify(logRow(1)), /ends in the middle of a line/],
};
for (const [name, [text, said]] of Object.entries(CONTENT)) {
  test(`a file that was made by another program is not believed: ${name}`, async t => {
    const folder = await folderOf(t);
    const bytes = gzipSync(text);
    await mkdir(join(folder, LOG_ID));
    await writeFile(join(folder, LOG_ID, '1-3.jsonl.gz'), bytes);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    await t.throwsAsync(createArchive(folder).read({ log: LOG_ID, first: 1, last: 3, sha256 }, 0, 3), {
      message: said,
    });
  });
}

test('what cannot be written leaves nothing behind; what a killed writer left goes, and is never taken for a file', async t => {
  const folder = await folderOf(t);
  const archive = createArchive(folder);
  await mkdir(join(folder, LOG_ID, '1-3.jsonl.gz'), { recursive: true }); // so that the rename fails
  await t.throwsAsync(archive.write(LOG_ID, logRows(0, 3)), { code: 'EISDIR' });
  t.deepEqual(await readdir(join(folder, LOG_ID)), ['1-3.jsonl.gz']);
  const [old, young] = [`.4-6.jsonl.gz.${randomUUID()}.tmp`, '.4-6.jsonl.gz.young.tmp'].map(name =>
    join(folder, LOG_ID, name),
  );
  await writeFile(old as string, 'half');
  await writeFile(young as string, 'half');
  await utimes(old as string, 1, 1);
  await archive.write(LOG_ID, logRows(3, 6));
  t.deepEqual((await readdir(join(folder, LOG_ID))).sort(), [
    '.4-6.jsonl.gz.young.tmp',
    '1-3.jsonl.gz',
    '4-6.jsonl.gz',
  ]);
});

test('two that write the same file at once both succeed, and it is whole', async t => {
  const folder = await folderOf(t);
  const files = await Promise.all([1, 2, 3].map(() => createArchive(folder).write(LOG_ID, logRows(0, 3))));
  for (const file of files) t.deepEqual(await createArchive(folder).read(file, 0, 3), logRows(0, 3));
});

test('a file that holds the same stays as it is, however it was compressed; half a file is replaced', async t => {
  const folder = await folderOf(t);
  const rows = logRows(0, 3);
  const text = rows.map(({ actor, ...row }) => `${JSON.stringify(row)}\n`).join('');
  await mkdir(join(folder, LOG_ID));
  const path = join(folder, LOG_ID, '1-3.jsonl.gz');
  const other = gzipSync(text, { level: 1 });
  await writeFile(path, other);
  const file = await createArchive(folder).write(LOG_ID, rows);
  t.is(file.sha256, createHash('sha256').update(other).digest('hex'));
  t.deepEqual(await readFile(path), other);
  await writeFile(path, other.subarray(0, 20));
  t.deepEqual(await createArchive(folder).read(await createArchive(folder).write(LOG_ID, rows), 0, 3), rows);
});

test('a file that was read is read again from memory; once it was damaged another instance finds out', async t => {
  const folder = await folderOf(t);
  const archive = createArchive(folder);
  const file = await archive.write(LOG_ID, logRows(0, 3));
  await archive.read(file, 0, 3);
  await rename(join(folder, LOG_ID), join(folder, 'elsewhere'));
  t.is((await archive.read(file, 0, 3)).length, 3);
  await t.throwsAsync(createArchive(folder).read(file, 0, 3), { instanceOf: ArchiveDamaged });
  t.true((await readFile(join(folder, 'elsewhere', '1-3.jsonl.gz'))).length > 0);
});
