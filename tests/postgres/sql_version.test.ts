// sql/ has a version that rises with its content: without it an older program could not tell a newer sql/ from an older one.
import { writeFile } from 'node:fs/promises';
import test from 'ava';
import { compareSql } from '../../src/postgres/schema_version.ts';
import { readRecordedVersion, readSql, VERSION_FILE } from '../../src/postgres/sql_files.ts';

test('sql/version.json is the version of sql/ as it is (UPDATE_SQL_VERSION=1 raises it)', async t => {
  const { hash } = await readSql();
  const { version, sha256 } = await readRecordedVersion();
  if (process.env.UPDATE_SQL_VERSION === '1' && sha256 !== hash) {
    const raised = { version: version + 1, sha256: hash };
    await writeFile(VERSION_FILE, `${JSON.stringify(raised, null, 2)}\n`);
  }
  t.is((await readRecordedVersion()).sha256, hash, 'sql/ has changed: raise its version');
});

test('only an older sql/, or another one of the same version, makes place for a program’s', t => {
  const program = { version: 7, hash: 'mine' };
  const found = (sqlVersion: number | null, sqlHash: string | null) =>
    compareSql(program, { sqlVersion, sqlHash });
  t.is(found(null, null), 'older');
  t.is(found(null, 'mine'), 'older', 'of before there were versions');
  t.is(found(6, 'another'), 'older');
  t.is(found(7, 'another'), 'older', 'as while it is being written');
  t.is(found(7, 'mine'), 'same');
  t.is(found(8, 'mine'), 'newer');
});
