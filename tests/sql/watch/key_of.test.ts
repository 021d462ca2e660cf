// feed.key_of(): the one place that knows which column is a table's primary key.
import test from 'ava';
import { withDatabase } from '../../helpers/sql.ts';

test(
  'the key of a table is the one column of its primary key, and no other unique column',
  withDatabase(async (t, database) => {
    const owner = await database.psql();
    await owner.query(`
      CREATE TABLE plain (other text UNIQUE, id uuid PRIMARY KEY);
      CREATE TABLE with_more (id bigint, more text, PRIMARY KEY (id) INCLUDE (more));
      CREATE TABLE late (id text COLLATE "C" PRIMARY KEY DEFERRABLE);
      CREATE TABLE pairs (a integer, b integer, PRIMARY KEY (a, b));
      CREATE TABLE bare (id integer UNIQUE NOT NULL)`);
    const { rows } = await owner.query(`
      SELECT t.name AS table, k.name, k.type::regtype::text AS type, k.collation::regcollation::text AS collation, k.is_immediate
      FROM unnest(ARRAY['plain', 'with_more', 'late', 'pairs', 'bare']) WITH ORDINALITY AS t (name, number)
      LEFT JOIN LATERAL feed.key_of(t.name::regclass) AS k ON true
      ORDER BY t.number`);
    const none = { name: null, type: null, collation: null, is_immediate: null };
    t.deepEqual(rows, [
      { table: 'plain', name: 'id', type: 'uuid', collation: '-', is_immediate: true },
      { table: 'with_more', name: 'id', type: 'bigint', collation: '-', is_immediate: true },
      { table: 'late', name: 'id', type: 'text', collation: '"C"', is_immediate: false },
      { table: 'pairs', ...none },
      { table: 'bare', ...none },
    ]);
  }),
);

test(
  'asking for the key costs no call of a function: it is part of the query that asks, and reads the catalogue’s own tables',
  withDatabase(async (t, database) => {
    const owner = await database.psql();
    await owner.query('CREATE TEMPORARY TABLE pg_index AS SELECT * FROM pg_catalog.pg_index LIMIT 0');
    const { rows: plan } = await owner.query({
      text: `EXPLAIN (VERBOSE) SELECT name FROM feed.topics, feed.key_of(relation)`,
      rowMode: 'array',
    });
    const text = plan.flat().join('\n');
    t.regex(text, /pg_catalog\.pg_index/);
    t.notRegex(text, /Function Scan/);
    const { rows } = await owner.query(`SELECT k.name FROM feed.key_of('public.tasks') AS k`);
    t.deepEqual(rows, [{ name: 'id' }]);
  }),
);
