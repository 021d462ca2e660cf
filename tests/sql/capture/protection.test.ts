// Who may not do what: the log is written by its own functions alone, and no row of it changes.
import test from 'ava';
import { readValue, refusal, sequence, withDatabase } from '../../helpers/sql.ts';

const INSUFFICIENT_PRIVILEGE = '42501';
const RESTRICT_VIOLATION = '23001';

for (const role of ['taskwire_app', 'taskwire_reader']) {
  test(
    `${role} may read the log and write none of its tables`,
    withDatabase(async (t, database) => {
      const session = await database.psql();
      const { rows } = await session.query(`SELECT oid::regclass AS name,
        relispartition AS part, (SELECT attname FROM pg_attribute WHERE attrelid = c.oid AND attnum = 1) AS first
        FROM pg_class AS c WHERE relnamespace = 'feed'::regnamespace AND relkind IN ('r', 'p') ORDER BY relispartition`);
      t.true(rows.length >= 8);
      await session.query(`SET ROLE ${role}`);
      for (const { name, first, part } of rows) {
        if (!part) await t.notThrowsAsync(session.query(`SELECT FROM ${name}`));
        for (const statement of [
          `INSERT INTO ${name} DEFAULT VALUES`,
          `UPDATE ${name} SET "${first}" = DEFAULT`,
          `DELETE FROM ${name}`,
          `TRUNCATE ${name}`,
          `CREATE TRIGGER mine AFTER INSERT ON ${name} EXECUTE FUNCTION suppress_redundant_updates_trigger()`,
        ]) {
          t.is((await refusal(session.query(statement))).code, INSUFFICIENT_PRIVILEGE, statement);
        }
      }
    }),
  );

  test(
    `${role} cannot run what the log is written with`,
    withDatabase(async (t, database) => {
      const session = await database.psql();
      await session.query(`SET ROLE ${role}`);
      for (const call of [
        `feed.stage('tasks', 'task_created', 'x', '{}', NULL)`,
        'feed.sequence_events(1)',
        'feed.add_partitions(1)',
        'feed.new_log()',
        `feed.raise_floor('1 day', false)`,
        'feed.forget_batches(1)',
        'feed.let_go(1)',
        `feed.next_version('tasks', 'x')`,
        `feed.remember_version('tasks', '{}', 'id')`,
        `feed.watch('tasks', 'x', 'x')`,
        `feed.unwatch('tasks')`,
        `feed.fold(NULL)`,
        `feed.render_value('1', 'integer'::regtype)`,
        `feed.ensure_trigger('tasks', 'x', 'AFTER INSERT', 'ROW', 'feed.capture()')`,
        'public.add_run_job(NULL)',
      ]) {
        t.is((await refusal(session.query(`SELECT ${call}`))).code, INSUFFICIENT_PRIVILEGE, call);
      }
    }),
  );
}

test(
  'taskwire_reader cannot write a resource, nor taskwire_app empty one or change its triggers',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    const asRole = async (role: string, statements: string[]) => {
      await session.query(`SET ROLE ${role}`);
      for (const statement of statements)
        t.is((await refusal(session.query(statement))).code, INSUFFICIENT_PRIVILEGE, statement);
    };
    await asRole('taskwire_reader', [
      `INSERT INTO tasks (title) VALUES ('x')`,
      `UPDATE tasks SET title = 'x'`,
      'DELETE FROM tasks',
      `INSERT INTO runs (kind) VALUES ('generate')`,
      `SELECT queue_run('generate')`,
    ]);
    await asRole('taskwire_app', [
      'TRUNCATE tasks',
      'ALTER TABLE tasks DISABLE TRIGGER ALL',
      'CREATE TABLE mine ()',
    ]);
  }),
);

test(
  'no function that works with its owner’s rights may be run by everybody, and each has a search path',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    const { rows } = await session.query(
      `SELECT oid::regprocedure::text AS name,
         has_function_privilege('public', oid, 'EXECUTE') AS open,
         coalesce('search_path=pg_catalog, pg_temp' = ANY (proconfig), false) AS safe
       FROM pg_proc WHERE prosecdef AND pronamespace IN ('public'::regnamespace, 'feed'::regnamespace)`,
    );
    t.true(rows.length >= 4);
    t.deepEqual(
      rows.filter(row => row.open || !row.safe),
      [],
    );
  }),
);

test(
  'nobody gets the owner’s rights by putting a trigger function of the service on a table of their own',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query('SET ROLE taskwire_reader; CREATE TEMP TABLE mine (id uuid, title text)');
    for (const name of [
      'public.tasks_before_write',
      'public.runs_before_write',
      'feed.capture',
      'feed.refuse',
    ]) {
      const attach = `CREATE TRIGGER mine BEFORE INSERT ON mine FOR EACH ROW EXECUTE FUNCTION ${name}()`;
      t.is((await refusal(session.query(attach))).code, INSUFFICIENT_PRIVILEGE, name);
    }
  }),
);

const REFUSED: [rule: string, statement: string][] = [
  ['events_append_only', `UPDATE feed.events SET data = '{}'`],
  ['events_append_only', 'DELETE FROM feed.events'],
  ['events_append_only', 'TRUNCATE feed.events'],
  ['events_append_only', `UPDATE feed.events_1 SET data = '{}'`],
  ['events_append_only', 'DELETE FROM feed.events_1'],
  ['events_append_only', 'TRUNCATE feed.events_1'],
  ['log_floor_rises', 'UPDATE feed.log SET floor = floor + 1000'],
  ['event_batches_append_only', 'UPDATE feed.event_batches SET at = now()'],
  ['event_batches_append_only', 'DELETE FROM feed.event_batches'],
  ['event_batches_append_only', 'TRUNCATE feed.event_batches'],
  ['staged_never_changes', `UPDATE feed.staged SET data = '{}'`],
  ['staged_never_truncated', 'TRUNCATE feed.staged'],
];

for (const replication of ['origin', 'replica']) {
  test(
    `the owner cannot change what is in the log, with session_replication_role = ${replication} either`,
    withDatabase(async (t, database) => {
      const session = await database.psql();
      await session.query(`INSERT INTO tasks (title) VALUES ('x')`);
      await sequence(session);
      await session.query(`SET session_replication_role = ${replication}`);
      for (const [rule, statement] of REFUSED) {
        const { code, constraint } = await refusal(session.query(statement));
        t.deepEqual([code, constraint], [RESTRICT_VIOLATION, rule], statement);
      }
    }),
  );
}

test(
  'changes that replication applies are made and heard like any other',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`SET session_replication_role = replica`);
    await session.query(
      `INSERT INTO tasks (title) VALUES (' x '); UPDATE tasks SET title = 'y'; DELETE FROM tasks; TRUNCATE tasks`,
    );
    t.deepEqual(
      (await sequence(session)).map(event => [event.type, event.data.title, event.data.version]),
      [
        ['task_created', 'x', 1],
        ['task_updated', 'y', 2],
        ['task_deleted', 'y', 2],
      ],
    );
  }),
);

test(
  'a writer’s own tables, functions, operators and search path lead no trigger astray',
  withDatabase(async (t, database) => {
    const owner = await database.psql();
    await owner.query('CREATE SCHEMA mine; GRANT CREATE, USAGE ON SCHEMA mine TO taskwire_app');
    const session = await database.psql();
    await session.query(`SET ROLE taskwire_app`);
    await session.query(`
      CREATE TEMP TABLE staged (LIKE feed.staged INCLUDING ALL);
      CREATE TEMP TABLE tasks (LIKE public.tasks);
      CREATE TEMP TABLE last_versions (LIKE feed.last_versions INCLUDING ALL);
      CREATE FUNCTION mine.spoil() RETURNS text LANGUAGE plpgsql
        AS $$ BEGIN RAISE 'a function of the writer ran as %', current_user; END $$;
      CREATE FUNCTION mine.render(public.tasks) RETURNS json LANGUAGE sql AS 'SELECT mine.spoil()::json';
      CREATE FUNCTION mine.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT mine.spoil()::timestamptz';
      CREATE FUNCTION mine.btrim(text, text) RETURNS text LANGUAGE sql AS 'SELECT mine.spoil()';
      CREATE FUNCTION mine.current_setting(text, boolean) RETURNS text LANGUAGE sql AS 'SELECT mine.spoil()';
      CREATE FUNCTION mine.pg_current_xact_id() RETURNS xid8 LANGUAGE sql AS 'SELECT mine.spoil()::xid8';
      CREATE FUNCTION mine.differs(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT mine.spoil()::boolean';
      CREATE OPERATOR mine.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = mine.differs);
      CREATE OPERATOR mine.= (LEFTARG = text, RIGHTARG = text, FUNCTION = mine.differs);
      SET search_path = pg_temp, mine, pg_catalog, public`);
    await session.query(`
      INSERT INTO public.tasks (title) VALUES (' x ');
      INSERT INTO public.tasks (id, title) VALUES ('00000000-0000-7000-8000-000000000001', 'y');
      UPDATE public.tasks SET title = 'z'; DELETE FROM public.tasks`);
    t.is((await sequence(owner)).length, 6);
    t.is(await readValue(session, 'SELECT count(*)::text FROM pg_temp.staged'), '0');
    await owner.query(`INSERT INTO tasks (title) VALUES ('x')`);
    await owner.query(
      'CREATE TEMP TABLE tasks (LIKE public.tasks); SET search_path = pg_temp, mine, pg_catalog, public',
    );
    await owner.query('TRUNCATE public.tasks');
    t.is((await sequence(owner)).length, 2);
  }),
);
