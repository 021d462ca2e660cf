// Every rule of a task, broken from psql.
import test from 'ava';
import { type Attack, brokenBy, testRules } from '../../helpers/rules.ts';
import { withDatabase } from '../../helpers/sql.ts';

const ID = '00000000-0000-7000-8000-000000000001';
const given = (column: string, value: string) =>
  `INSERT INTO tasks (title, ${column}) VALUES ('x', ${value})`;
const titled = (title: string) => `INSERT INTO tasks (title) VALUES (${title})`;

const ATTACKS: Attack[] = [
  ['tasks_title_length', titled(`''`)],
  ['tasks_title_length', titled(`E' \\t\\n\\u00A0\\u3000\\uFEFF'`)],
  ['tasks_title_length', titled(`repeat('x', 201)`)],
  ['tasks_title_length', titled(`repeat(E'\\U0001F600', 201)`)],
  ['tasks_title_length', `UPDATE tasks SET title = ' '`],
  ['tasks_description_length', given('description', `repeat('x', 10001)`)],
  ['tasks_status_known', given('status', `'blocked'`)],
  ['tasks_status_known', given('status', `'Done'`)],
  ['tasks_priority_known', given('priority', `''`)],
  ['tasks_due_at_range', given('due_at', `'infinity'`)],
  ['tasks_due_at_range', given('due_at', `'-infinity'`)],
  ['tasks_due_at_range', given('due_at', `'10000-01-01 00:00:00+00'`)],
  ['tasks_due_at_range', given('due_at', `'0001-12-31 23:59:59.999999+00 BC'`)],
  ['tasks_labels_flat', given('labels', `'{{a},{b}}'`)],
  ['tasks_labels_count', given('labels', 'ARRAY(SELECT generate_series(1, 21)::text)')],
  ['tasks_labels_distinct', given('labels', `'{a,b,a}'`)],
  ['tasks_labels_distinct', given('labels', `'{a,NULL}'`)],
  ['tasks_labels_distinct', given('labels', `'{NULL}'`)],
  ['tasks_labels_length', given('labels', `'{""}'`)],
  ['tasks_labels_length', given('labels', `ARRAY['a', repeat('x', 51)]`)],
  ['tasks_source_length', given('source', `''`)],
  ['tasks_source_length', given('source', `repeat('x', 101)`)],
  ['tasks_external_id_length', given('source, external_id', `'s', ''`)],
  ['tasks_external_id_length', given('source, external_id', `'s', repeat('x', 201)`)],
  ['tasks_external_id_needs_source', given('external_id', `'1'`)],
  ['tasks_source_external_id_key', given('source, external_id', `'sample', '1'`)],
  ['tasks_pkey', given('id', `'${ID}'`)],
  ['tasks_created_at_range', given('created_at', `'-infinity'`)],
  [
    'tasks_created_at_range',
    given('created_at', `timestamptz '0001-01-01 00:00:00+00' - interval '1 microsecond'`),
  ],
  ['tasks_created_at_past', given('created_at', `'infinity'`)],
  ['tasks_created_at_past', given('created_at', `clock_timestamp() + interval '1 minute'`)],
  ['tasks_completed_at_range', given('status, completed_at', `'done', '-infinity'`)],
  ['tasks_identity_fixed', 'UPDATE tasks SET id = gen_random_uuid()'],
  ['tasks_identity_fixed', `UPDATE tasks SET created_at = created_at - interval '1 microsecond'`],
];

testRules(test, {
  table: 'tasks',
  setup: `INSERT INTO tasks (id, title, source, external_id) VALUES ('${ID}', 'there already', 'sample', '1')`,
  attacks: ATTACKS,
  behindTriggers: [
    ['tasks_version_positive', 'UPDATE tasks SET version = 0'],
    ['tasks_completed_at_when_done', `UPDATE tasks SET status = 'done'`],
    ['tasks_completed_at_when_done', 'UPDATE tasks SET completed_at = now()'],
  ],
  required: ['title', 'status', 'priority', 'labels'],
});

test(
  'the edges of every rule are inside it',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query('SET ROLE taskwire_app');
    const { rowCount } = await session.query(
      `INSERT INTO tasks (title, description, due_at, labels, source, external_id) VALUES
       (repeat(E'\\U0001F600', 200), repeat(E'\\U0001F600', 10000), '0001-01-01 00:00:00+00',
        ARRAY(SELECT lpad(n::text, 50, 'x') FROM generate_series(1, 20) AS n), repeat('s', 100), repeat('e', 200)),
       ('x', '', '9999-12-31 23:59:59.999999+00', '{}', 's', NULL),
       ('x', NULL, NULL, '{a,A}', 's', NULL)`,
    );
    t.is(rowCount, 3);
  }),
);

test(
  'functions of the writer’s own cannot stand in for those that the rules call',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`
      CREATE SCHEMA mine;
      CREATE FUNCTION mine.unnest(text[]) RETURNS SETOF text LANGUAGE sql
        AS 'SELECT n::text FROM generate_series(1, cardinality($1)) AS n';
      CREATE FUNCTION mine.char_length(text) RETURNS integer LANGUAGE sql AS 'SELECT 1';
      CREATE FUNCTION mine.broken_task_rule(text, text, text, text, timestamptz, text[], text, text, timestamptz, timestamptz, bigint)
        RETURNS text LANGUAGE sql AS 'SELECT NULL::pg_catalog.text';
      CREATE FUNCTION mine.btrim(text, text) RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$;
      CREATE DOMAIN mine.text AS integer;
      SET search_path = mine, pg_catalog, public`);
    t.is(await brokenBy(session, given('labels', `ARRAY['a', 'a', NULL]`)), 'tasks_labels_distinct');
    t.is(await brokenBy(session, given('labels', `ARRAY[repeat('x', 51)]`)), 'tasks_labels_length');
    t.is(await brokenBy(session, titled(`' '`)), 'tasks_title_length');
  }),
);
