// A change of the schema shows in tests/schema.sql, where it is reviewed.
import { readFile, writeFile } from 'node:fs/promises';
import test from 'ava';
import { describeSchema } from './helpers/schema.ts';
import { withDatabase } from './helpers/sql.ts';

const FILE = new URL('schema.sql', import.meta.url);

test(
  'the schema is the one in tests/schema.sql (UPDATE_SCHEMA=1 writes it)',
  withDatabase(async (t, database) => {
    const schema = await describeSchema(await database.psql());
    if (process.env.UPDATE_SCHEMA === '1') await writeFile(FILE, schema);
    t.is(schema, await readFile(FILE, 'utf8'));
  }),
);
