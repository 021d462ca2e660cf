// Whose fault a refusal of the database is stands in one table.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { blameOf, isWritersFault, SQLSTATE } from '../../src/postgres/sqlstate.ts';

const SRC = fileURLToPath(new URL('../../src', import.meta.url));
// A quoted one, or the beginning of one in a pattern: 57P0, 40...
const LITERAL = /(['"`])(?=\w*\d)(?:[0-5][0-9A-Z]|72|F0|HV|P0|XX)[0-9A-Z]{3}\1|\b\d\d(?:P0|\.\.\.)/g;

test('no SQLSTATE stands anywhere in src but in its table', async t => {
  // A page speaks to no database.
  const names = (await readdir(SRC, { recursive: true })).filter(
    name => name.endsWith('.ts') && !name.startsWith('page'),
  );
  const found = await Promise.all(
    names.map(async name => {
      const literals = (await readFile(join(SRC, name), 'utf8')).match(LITERAL) ?? [];
      return literals.length > 0 ? [name] : [];
    }),
  );
  t.deepEqual(found.flat(), [join('postgres', 'sqlstate.ts')]);
});

test('what a writer sent is the fault of the writer, whichever rule it breaks', t => {
  const writers = [
    '22P02',
    '22001',
    '22012',
    '23514',
    '23502',
    '23503',
    '23505',
    '23P01',
    '44000',
    'P0001',
    'MY001',
  ];
  t.deepEqual(
    writers.filter(code => !isWritersFault(code)),
    [],
  );
  const others = [
    '40001',
    '53100',
    '25006',
    '57014',
    '42P01',
    '42501',
    'XX000',
    'P0002',
    '08006',
    '57P01',
    '',
  ];
  t.deepEqual(others.filter(isWritersFault), []);
});

test('a full disk and a read-only database are not a database that is away', t => {
  t.deepEqual([SQLSTATE.diskFull, SQLSTATE.readOnly, '53200', '08006', '57P03'].map(blameOf), [
    'no_writes',
    'no_writes',
    'away',
    'away',
    'away',
  ]);
});
