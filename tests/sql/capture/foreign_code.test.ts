// What works with the rights of its owner runs no function of a stranger, whatever stands in the stranger's table, type,
// search path or temporary schema.
import test from 'ava';
import type pg from 'pg';
import { withDatabase } from '../../helpers/sql.ts';

/** How each SECURITY DEFINER function is reached by a stranger: at most the application's role, and a table of its own. */
const REACHED: Record<string, string[]> = {
  'feed.capture()': [
    `INSERT INTO mine.docs (id, body) VALUES ('c', 'x')`,
    `UPDATE mine.docs SET body = 'y', id = 'd' WHERE id = 'c'`,
    `DELETE FROM mine.docs WHERE id = 'd'`,
  ],
  'feed.capture_truncate()': ['TRUNCATE mine.docs'],
  'feed.snapshot_page(text,bigint,text,integer,text[])': [
    `SELECT * FROM feed.snapshot_page('docs', 1, NULL, 10)`,
    `SELECT * FROM feed.snapshot_page('docs', 1, 'a', 10)`,
    `SELECT * FROM feed.snapshot_page('docs', 1, NULL, 10, ARRAY['a', 'b'])`,
  ],
  'feed.verify()': ['SELECT * FROM feed.verify()'],
  'feed.sequence_staged(integer)': ['SELECT FROM feed.sequence_staged(10)'],
  'feed.make_room(boolean)': ['SELECT FROM feed.make_room(true)', 'SELECT FROM feed.make_room(false)'],
  'feed.take_up_log()': ['SELECT FROM feed.take_up_log()'],
  'feed.end_strangers(text)': [`SELECT feed.end_strangers('leader')`],
  'feed.clean_staged(xid8,bigint,integer)': [`SELECT feed.clean_staged('0', 0, 10)`],
  'tasks_before_write()': [
    `INSERT INTO public.tasks (id, title) VALUES ('00000000-0000-7000-8000-000000000001', ' y ')`,
    `UPDATE public.tasks SET title = 'z'`,
    'DELETE FROM public.tasks',
  ],
  'restore_task(uuid)': [`SELECT public.restore_task('00000000-0000-7000-8000-000000000001')`],
  'currencies_before_write()': [
    `INSERT INTO public.currencies (currency, rate) VALUES ('USD', 1)`,
    'UPDATE public.currencies SET rate = 2',
  ],
  'currencies_keep_rate()': ['UPDATE public.currencies SET rate = 3'],
  'runs_before_write()': [
    `INSERT INTO public.runs (kind) VALUES ('rates')`,
    `UPDATE public.runs SET status = 'queued'`,
  ],
  'note_token_use(text[],double precision[])': [`SELECT public.note_token_use(ARRAY['AAAAAAAA'], ARRAY[1])`],
  'queue_first_run(text)': [`SELECT public.queue_first_run('generate')`],
  'queue_run(text)': [`SELECT public.queue_run('generate')`],
  'sweep_runs()': ['SELECT public.sweep_runs()'],
  'hand_back_run(uuid,integer)': [`SELECT public.hand_back_run((SELECT id FROM public.runs LIMIT 1), 1)`],
  // Reached through the others alone: the application's role may not execute them.
  'add_run_job(runs)': [`SELECT public.queue_run('generate')`],
  'revive_run(uuid)': [`SELECT public.queue_run('generate')`],
  'requeue_run(runs)': ['SELECT public.sweep_runs()'],
  'run_is_forgotten(runs)': ['SELECT public.sweep_runs()'],
};

// Each puts code of its owner where somebody who reads the table, or only plans to, may run it.
const TRAPS: Record<string, string[]> = {
  'a CHECK of the key’s domain': ['ALTER DOMAIN mine.name ADD CHECK (mine.evil(VALUE)) NOT VALID'],
  'a CHECK of a column’s domain': ['ALTER DOMAIN mine.words ADD CHECK (mine.evil(VALUE)) NOT VALID'],
  'a CHECK of the table': [`ALTER TABLE mine.docs ADD CHECK (mine.evil('constant'))`],
  'a default': [`ALTER TABLE mine.docs ALTER COLUMN body SET DEFAULT mine.evil('default')::text`],
  'an index expression': [`CREATE INDEX ON mine.docs ((mine.evil('constant')::text || body))`],
  'a condition of an index': [`CREATE INDEX ON mine.docs (body) WHERE mine.evil('constant')`],
  'an operator of an index expression': [`CREATE INDEX ON mine.docs (('a'::text OPERATOR(mine.~~~) 'b'))`],
  'an expression of statistics': [
    `CREATE STATISTICS mine.odd ON (mine.evil('constant')::text || body), body FROM mine.docs`,
  ],
  'a policy': [
    'CREATE POLICY odd ON mine.docs USING (mine.evil(body))',
    'ALTER TABLE mine.docs ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY',
  ],
  triggers: [
    `CREATE FUNCTION mine.fire() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM mine.evil('trigger'); RETURN NULL; END $$`,
    'CREATE TRIGGER odd AFTER INSERT OR UPDATE OR DELETE ON mine.docs FOR EACH ROW EXECUTE FUNCTION mine.fire()',
    'CREATE TRIGGER odd_truncate AFTER TRUNCATE ON mine.docs EXECUTE FUNCTION mine.fire()',
  ],
  'a stored generated column': [
    `ALTER TABLE mine.docs ADD COLUMN made boolean GENERATED ALWAYS AS (mine.evil(body)) STORED`,
  ],
  'a cast to json': [
    `CREATE FUNCTION mine.told(mine.mood) RETURNS json LANGUAGE sql AS $$ SELECT to_json(mine.evil('cast')) $$`,
    'CREATE CAST (mine.mood AS json) WITH FUNCTION mine.told(mine.mood)',
  ],
  'functions and operators in the search path': [
    `CREATE FUNCTION mine.render(anyelement) RETURNS json LANGUAGE sql AS $$ SELECT to_json(mine.evil('render')) $$`,
    `CREATE FUNCTION mine.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT mine.evil('clock')::text::timestamptz $$`,
    `CREATE FUNCTION mine.differs(text, text) RETURNS boolean LANGUAGE sql AS $$ SELECT mine.evil('operator') $$`,
    'CREATE OPERATOR mine.= (LEFTARG = text, RIGHTARG = text, FUNCTION = mine.differs)',
    'CREATE OPERATOR mine.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = mine.differs)',
    'CREATE TEMP TABLE staged (LIKE feed.staged)',
    'CREATE TEMP VIEW topics AS SELECT t.* FROM feed.topics AS t WHERE mine.evil(t.topic)',
    'CREATE TEMP TABLE tasks (LIKE public.tasks)',
    'SET search_path = mine, pg_temp, pg_catalog, public',
  ],
};

const FOREIGN = /a function of a stranger ran/;

for (const [trap, statements] of Object.entries(TRAPS)) {
  test(
    `with rights of the owner no function of a stranger runs: ${trap}`,
    withDatabase(async (t, database) => {
      const owner = await database.psql();
      const stranger = `stranger_${new URL(database.url).pathname.slice(1)}`;
      const name = (await owner.query('SELECT current_database() AS name')).rows[0].name;
      await owner.query(`CREATE ROLE ${stranger} IN ROLE taskwire_app;
        GRANT CREATE, TEMP ON DATABASE ${name} TO ${stranger}`);
      try {
        const session = await database.psql();
        await setUp(session, owner, stranger);
        for (const statement of statements) await session.query(statement);
        await session.query('SET constraint_exclusion = on');
        for (const [name, calls] of Object.entries(REACHED)) {
          for (const call of calls) {
            const message = await said(session, call);
            t.notRegex(message, FOREIGN, `${name}: ${call}`);
          }
        }
        t.notRegex(await said(owner, 'SELECT * FROM feed.verify()'), FOREIGN);
      } finally {
        await owner.query(`DROP OWNED BY ${stranger} CASCADE; DROP ROLE ${stranger}`);
      }
    }),
  );
}

test(
  'each function that works with the rights of its owner has a case above',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    const { rows } = await session.query(
      `SELECT oid::regprocedure::text AS name FROM pg_proc
       WHERE prosecdef AND pronamespace IN ('public'::regnamespace, 'feed'::regnamespace)`,
    );
    t.deepEqual(rows.map(row => row.name).toSorted(), Object.keys(REACHED).toSorted());
  }),
);

// A table of the stranger's that the log's owner has watched. The stranger's function says when anybody else runs it.
async function setUp(session: pg.Client, owner: pg.Client, stranger: string): Promise<void> {
  await session.query(`SET ROLE ${stranger};
    CREATE SCHEMA mine;
    CREATE FUNCTION mine.evil(value text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
    BEGIN
      IF current_user <> '${stranger}' THEN RAISE 'a function of a stranger ran as %', current_user; END IF;
      RETURN true;
    END $$;
    CREATE FUNCTION mine.both(text, text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT mine.evil($1)::text $$;
    CREATE OPERATOR mine.~~~ (LEFTARG = text, RIGHTARG = text, FUNCTION = mine.both);
    CREATE DOMAIN mine.name AS text;
    CREATE DOMAIN mine.words AS text;
    CREATE TYPE mine.mood AS ENUM ('glad');
    CREATE TABLE mine.docs (id mine.name PRIMARY KEY, body text, other mine.words, feeling mine.mood);
    INSERT INTO mine.docs VALUES ('a', 'x', 'w', 'glad'), ('b', 'x', 'w', 'glad')`);
  await owner.query(`SELECT feed.watch('mine.docs', 'docs', 'doc')`);
  await owner.query('SELECT FROM feed.sequence_staged(1000)');
  await session.query(`UPDATE mine.docs SET body = 'z' WHERE id = 'a'; DELETE FROM mine.docs WHERE id = 'b'`);
}

async function said(session: pg.Client, statement: string): Promise<string> {
  try {
    await session.query(statement);
    return '';
  } catch (error) {
    return String(error);
  }
}
