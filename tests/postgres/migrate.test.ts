// migrate(): from any database to one the service works with, by whoever may own a database, any number of times.
import { randomUUID } from 'node:crypto';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type pg from 'pg';
import { pino } from 'pino';
import { sql } from 'slonik';
import { z } from 'zod';
import { createEmbeddedPostgres } from '../../src/embedded/embedded.ts';
import { ServiceError } from '../../src/errors.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { applyMigrations, concurrentSteps, MIGRATIONS } from '../../src/postgres/migrations.ts';
import { openPool } from '../../src/postgres/pool.ts';
import { openSession } from '../../src/postgres/session.ts';
import { databaseUrl, SERVICE } from '../helpers/database.ts';
import { runToEnd } from '../helpers/process.ts';
import { describeSchema } from '../helpers/schema.ts';
import { pidOf, readValue, sequence, untilBlocked, withDatabase } from '../helpers/sql.ts';
import { until } from '../helpers/until.ts';

const logger = pino({ level: 'silent' });
const SERVER = process.env.TEST_SERVER_URL ?? '';
const TRIGGERS =
  'SELECT string_agg(oid || xmin::text, $$ $$ ORDER BY oid) FROM pg_trigger WHERE NOT tgisinternal';
const FUNCTIONS = `SELECT string_agg(xmin::text, ' ' ORDER BY oid) FROM pg_proc WHERE pronamespace = 'feed'::regnamespace`;

/** Lends an empty database, made with `options`, on a server. */
async function withEmpty<Result>(
  server: string,
  options: string,
  use: (url: string) => Promise<Result>,
): Promise<Result> {
  const name = `taskwire_empty_${randomUUID().replaceAll('-', '')}`;
  await onServer(server, `CREATE DATABASE ${name} ${options} TEMPLATE template0`);
  try {
    return await use(databaseUrl(server, name));
  } finally {
    await onServer(server, `DROP DATABASE ${name} WITH (FORCE)`);
  }
}

async function onServer(url: string, ...statements: string[]): Promise<void> {
  const session = await openSession({ service: SERVICE, url, name: 'test' });
  try {
    for (const statement of statements) await session.query(statement);
  } finally {
    await session.end();
  }
}

async function withSession<Result>(
  url: string,
  use: (session: pg.Client) => Promise<Result>,
): Promise<Result> {
  const session = await openSession({ service: SERVICE, url, name: 'test' });
  try {
    return await use(session);
  } finally {
    await session.end();
  }
}

test('any number of instances may migrate an empty database at once', async t => {
  await withEmpty(SERVER, `ENCODING 'UTF8' LOCALE 'C.UTF-8'`, async url => {
    await Promise.all([
      migrate({ service: SERVICE, url, logger }),
      migrate({ service: SERVICE, url, logger }),
      migrate({ service: SERVICE, url, logger }),
    ]);
    await withSession(url, async session => {
      await session.query(`INSERT INTO tasks (title) VALUES ('x')`);
      t.is((await sequence(session)).length, 1);
    });
  });
});

test(
  'a second run changes nothing, not even a trigger',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    const before = [await readValue(session, TRIGGERS), await readValue(session, FUNCTIONS)];
    await migrate({ service: SERVICE, url: database.url, logger });
    t.deepEqual([await readValue(session, TRIGGERS), await readValue(session, FUNCTIONS)], before);
  }),
);

test(
  'sql/ is applied again when it is not what was applied last; triggers that are as they should be stay untouched',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    const schema = await describeSchema(session);
    const [triggers, functions] = [await readValue(session, TRIGGERS), await readValue(session, FUNCTIONS)];
    const hash = await readValue(
      session,
      `UPDATE feed.log SET sql_hash = 'old' RETURNING
      (SELECT sql_hash FROM feed.log)`,
    );
    await session.query(
      'CREATE OR REPLACE FUNCTION feed.service_name() RETURNS text LANGUAGE sql RETURN NULL',
    );
    await migrate({ service: SERVICE, url: database.url, logger });
    t.is(await readValue(session, 'SELECT sql_hash FROM feed.log'), hash);
    t.is(await readValue(session, TRIGGERS), triggers);
    t.not(await readValue(session, FUNCTIONS), functions);
    t.is(await describeSchema(session), schema);
  }),
);

/** Lends a database as a version of the schema made it, without sql/: what its triggers would lock, a test locks itself. */
async function withVersion(number: number, use: (url: string) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'taskwire-migrations-'));
  const isIn = (file: string) => Number(/\/(\d{4})_\w+\.sql$/.exec(file)?.[1] ?? 0) <= number;
  try {
    await cp(MIGRATIONS, dir, { recursive: true, filter: isIn });
    await withEmpty(SERVER, `ENCODING 'UTF8' LOCALE 'C.UTF-8'`, async url => {
      await onServer(url, 'CREATE SCHEMA feed');
      await withSession(url, session => applyMigrations(session, SERVICE, logger, dir));
      await use(url);
    });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

test(
  'a migration that waits for somebody’s open transaction lets the other writers go on, and is made when it ends',
  withDatabase(async (t, database) => {
    const schema = await describeSchema(await database.psql());
    await withVersion(6, url =>
      withSession(url, async person => {
        await person.query('BEGIN; LOCK TABLE tasks IN ROW EXCLUSIVE MODE');
        const waits = Promise.withResolvers<void>();
        const telling = pino({ level: 'warn' }, { write: () => waits.resolve() });
        const migrating = migrate({ service: SERVICE, url, logger: telling });
        await waits.promise;
        await onServer(
          url,
          `SET statement_timeout = '20s'; BEGIN; LOCK TABLE tasks IN ROW EXCLUSIVE MODE; COMMIT`,
        );
        await person.query('COMMIT');
        await migrating;
        await withSession(url, async session => t.is(await describeSchema(session), schema));
      }),
    );
  }),
);

test('a log that is filled becomes the first partition as it is, its readers keep their rights, and its end is far off', async t => {
  await withVersion(16, url =>
    withSession(url, async session => {
      await session.query(`
        INSERT INTO feed.events (position, staged_id, topic, type, subject, time, origin, transaction, data)
          SELECT n, n + 100000, 'tasks', 'task_created', n::text, now(), 'psql', '3', '{}' FROM generate_series(1, 12345) AS n;
        INSERT INTO feed.event_batches (last_position, snapshot, at) VALUES (12345, '4:4:', now());
        GRANT SELECT ON feed.events TO pg_monitor`);
      const file = await readValue(session, `SELECT pg_relation_filenode('feed.events')`);
      await migrate({ service: SERVICE, url, logger, partition: 10_000 });
      t.is(await readValue(session, `SELECT pg_relation_filenode('feed.events_1')`), file);
      t.deepEqual((await session.query('SELECT first, last FROM feed.partitions()')).rows, [
        { first: '1', last: '10020000' },
      ]);
      t.true(await readValue(session, `SELECT has_table_privilege('pg_monitor', 'feed.events', 'SELECT')`));
      await session.query(`INSERT INTO tasks (title) VALUES ('x')`);
      t.is((await sequence(session))[0]?.position, 12_346);
      t.is(await readValue(session, 'SELECT floor::integer FROM feed.log'), 0);
    }),
  );
});

const MIGRATION_WAITS = `
  SELECT EXISTS (
    SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'taskwire migrate' AND wait_event_type = 'Lock')`;

for (const [table, next] of Object.entries({
  tasks: ['feed.staged'],
  currencies: ['currency_rates', 'feed.staged'],
})) {
  test(`a migration that waits for a writer of ${table} holds nothing that the writer goes on to`, async t => {
    await withVersion(9, url =>
      withSession(url, async writer => {
        await writer.query(`BEGIN; LOCK TABLE ${table} IN ROW EXCLUSIVE MODE`);
        const migrating = migrate({ service: SERVICE, url, logger });
        await withSession(url, psql => until(() => readValue<boolean>(psql, MIGRATION_WAITS)));
        for (const more of next) await writer.query(`LOCK TABLE ${more} IN ROW EXCLUSIVE MODE NOWAIT`);
        await writer.query('COMMIT');
        t.true((await migrating).migrations.length > 5);
      }),
    );
  });
}

test(
  'a leader of the version before goes on numbering after the migration',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`INSERT INTO tasks (title) VALUES ('x')`);
    const { rows } = await session.query('SELECT * FROM feed.sequence_changes($1)', [500]);
    t.deepEqual(
      [Object.keys(rows[0] ?? {}).join(' '), rows[0]?.type],
      [
        'position topic type subject time origin transaction requestid data previous entity last_position',
        'task_created',
      ],
    );
  }),
);

test(
  'a leader from before sql/ had a version goes on numbering, too, and its sql/ does not come back',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`INSERT INTO tasks (title) VALUES ('x')`);
    const { rows } = await session.query('SELECT * FROM feed.sequence_events($1)', [500]);
    t.deepEqual(
      [Object.keys(rows[0] ?? {}).join(' '), rows[0]?.type],
      [
        'position topic type subject time origin transaction requestid data previous last_position',
        'task_created',
      ],
    );
    await t.throwsAsync(
      session.query(`
        CREATE OR REPLACE FUNCTION feed.sequence_events(most integer)
        RETURNS TABLE (
          "position" bigint, topic text, type text, subject text, "time" text, origin text, transaction text,
          requestid text, data text, previous text, last_position bigint)
        LANGUAGE sql RETURN NULL`),
      { message: /the database is of a newer version/ },
    );
  }),
);

test('in a database that holds something of the same name nothing is left behind', async t => {
  await withEmpty(SERVER, `ENCODING 'UTF8' LOCALE 'C.UTF-8'`, async url => {
    await onServer(url, 'CREATE TABLE tasks (id integer)');
    const error = await t.throwsAsync(migrate({ service: SERVICE, url, logger }), {
      instanceOf: ServiceError,
    });
    t.regex(error.message, /relation "tasks" already exists.*SERVICE_NAME/);
    await withSession(url, async session => {
      t.is(await readValue(session, `SELECT to_regnamespace('feed')`), null);
    });
  });
});

test(
  'a trigger that was switched off or is missing comes back with the next sql/',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    const schema = await describeSchema(session);
    await session.query(`
      ALTER TABLE tasks DISABLE TRIGGER "00_feed_capture";
      ALTER TABLE feed.events ENABLE TRIGGER events_append_only;
      DROP TRIGGER tasks_before_write ON tasks;
      UPDATE feed.log SET sql_hash = 'old'`);
    t.not(await describeSchema(session), schema);
    await migrate({ service: SERVICE, url: database.url, logger });
    t.is(await describeSchema(session), schema);
  }),
);

test(
  'an open transaction of a writer holds up no sql/ that changes no trigger',
  withDatabase(async (t, database) => {
    const [session, writer] = [await database.psql(), await database.psql()];
    await writer.query(`BEGIN; INSERT INTO tasks (title) VALUES ('open')`);
    await session.query(`UPDATE feed.log SET sql_hash = 'old'`);
    await migrate({ service: SERVICE, url: database.url, logger });
    await writer.query('COMMIT');
    t.not(await readValue(session, 'SELECT sql_hash FROM feed.log'), 'old');
  }),
);

test(
  'a newer sql/ and newer migrations stay as they are, and an older program says that it works on them',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`
      INSERT INTO feed.migrations (name, run_on) VALUES ('9998_newer', now()), ('9999_newest', now());
      UPDATE feed.log SET sql_version = sql_version + 1, sql_hash = 'newer';
      GRANT EXECUTE ON FUNCTION public.queue_run(text) TO PUBLIC`);
    const functions = await readValue(session, FUNCTIONS);
    const {
      migrations,
      sql: applied,
      warnings,
    } = await migrate({ service: SERVICE, url: database.url, logger });
    t.deepEqual([migrations, applied], [[], undefined]);
    t.is(await readValue(session, FUNCTIONS), functions);
    t.is(await readValue(session, 'SELECT sql_hash FROM feed.log'), 'newer');
    t.regex(
      warnings[0] ?? '',
      /migrations of a newer version, up to 9999_newest; this program's end with \d{4}_/,
    );
    t.regex(warnings[1] ?? '', /sql\/ in the database is of a newer version, \d+; this program's is \d+/);
    t.is(
      warnings[2],
      'PUBLIC may execute public.queue_run(text)',
      'only a program of its version can mend it',
    );
  }),
);

/** Lends a copy of migrations/ with one more. */
async function withMigration(text: string, use: (dir: string) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'taskwire-migrations-'));
  try {
    await cp(MIGRATIONS, dir, { recursive: true });
    await writeFile(join(dir, '9999_index.sql'), text);
    await use(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

const BUILD_INDEX = `-- Up Migration\n\nCREATE INDEX CONCURRENTLY tasks_by_status ON public.tasks (status);\n`;
const INDEX_IS_VALID = `SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('public.tasks_by_status')`;

test(
  'an index is built without holding up writers, also where an attempt before was cut off',
  withDatabase(async (t, database) => {
    await withMigration(BUILD_INDEX, async dir => {
      const [session, thinking, migrator] = [
        await database.psql(),
        await database.psql(),
        await database.psql(),
      ];
      // What is left of an attempt that was cut off.
      await session.query(`CREATE INDEX tasks_by_status ON tasks (status);
        UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'tasks_by_status'::regclass`);
      await thinking.query(`BEGIN; INSERT INTO tasks (title) VALUES ('thinking')`);
      const pid = await pidOf(migrator);
      const migrating = applyMigrations(migrator, SERVICE, logger, dir);
      await untilBlocked(session, pid);
      await session.query(`SET statement_timeout = '20s'; INSERT INTO tasks (title) VALUES ('another')`);
      t.is(
        (await readValue(session, INDEX_IS_VALID)) ?? false,
        false,
        'it still waits for the open transaction',
      );
      await thinking.query('COMMIT');
      await migrating;
      t.is(await readValue(session, INDEX_IS_VALID), true);
      t.is(
        await readValue(session, `SELECT count(*)::integer FROM feed.migrations WHERE name = '9999_index'`),
        1,
      );
    });
  }),
);

test('a new database gets such an index in the transaction of all else, so that a failure leaves nothing behind', async t => {
  await withMigration(BUILD_INDEX, async dir => {
    await withEmpty(SERVER, `ENCODING 'UTF8' LOCALE 'C.UTF-8'`, async url => {
      await withSession(url, async session => {
        await session.query('CREATE SCHEMA feed');
        await writeFile(join(dir, '99999_fails.sql'), '-- Up Migration\n\nSELECT 1 / 0;\n');
        await t.throwsAsync(applyMigrations(session, SERVICE, logger, dir), { message: /division by zero/ });
        t.is(await readValue(session, `SELECT to_regclass('public.tasks')`), null);
        await rm(join(dir, '99999_fails.sql'));
        await applyMigrations(session, SERVICE, logger, dir);
        t.is(await readValue(session, INDEX_IS_VALID), true);
      });
    });
  });
});

test('a migration with CONCURRENTLY holds index builds alone, each with its schema', t => {
  t.is(concurrentSteps('-- no CONCURRENTLY here\nALTER TABLE public.tasks ADD COLUMN x text;'), undefined);
  t.deepEqual(concurrentSteps('CREATE UNIQUE INDEX CONCURRENTLY a\n  ON feed.events (type);')?.slice(1, 3), [
    'DROP INDEX CONCURRENTLY IF EXISTS feed.a',
    'CREATE UNIQUE INDEX CONCURRENTLY a\n  ON feed.events (type)',
  ]);
  for (const more of [
    'ALTER TABLE public.tasks ADD COLUMN x text;',
    'CREATE INDEX CONCURRENTLY a ON tasks (id);',
  ])
    t.throws(() => concurrentSteps(`${BUILD_INDEX}\n${more}`), { message: /alone/ });
});

test('npm run migrate says what it is about to do, what it has done, and when there was nothing to do', async t => {
  await withEmpty(SERVER, `ENCODING 'UTF8' LOCALE 'C.UTF-8'`, async url => {
    const run = () => runToEnd({ DATABASE_URL: url }, 'src/commands/migrate.ts');
    const first = await run();
    t.is(first.code, 0);
    t.regex(
      first.output,
      /^applying \d+ migrations: 0001_feed, .*\napplied \d+ migrations\napplied sql\/, version \d+: .*\n$/,
    );
    t.like(await run(), { code: 0, output: 'the database is up to date: nothing was changed\n' });
    await onServer(url, 'GRANT EXECUTE ON FUNCTION public.queue_run(text) TO PUBLIC');
    t.regex(
      (await run()).output,
      /^applied sql\/, version \d+: PUBLIC may execute public\.queue_run\(text\)\n$/,
    );
  });
});

for (const encoding of ['LATIN1', 'SQL_ASCII']) {
  test(`a database in ${encoding} is refused untouched, with what to do`, async t => {
    await withEmpty(SERVER, `ENCODING '${encoding}' LOCALE 'C'`, async url => {
      const error = await t.throwsAsync(migrate({ service: SERVICE, url, logger }), {
        instanceOf: ServiceError,
      });
      t.is(error?.code, 'unfit_database');
      t.regex(error?.message ?? '', new RegExp(`${encoding}.*ENCODING 'UTF8' TEMPLATE template0`));
      t.is(await withSession(url, session => readValue(session, `SELECT to_regnamespace('feed')`)), null);
    });
  });
}

// Roles belong to the whole server, so this needs one where the service's are not there yet.
test('whoever owns a database can run the service in it, whether or not the service’s roles can be had', async t => {
  const dataDir = await mkdtemp(join(tmpdir(), 'taskwire-roles-'));
  const server = createEmbeddedPostgres({ dataDir, settings: { fsync: 'off' }, logger });
  try {
    await server.start();
    await onServer(
      server.url,
      `CREATE ROLE plain LOGIN PASSWORD 'plain'`,
      `CREATE ROLE maker LOGIN CREATEROLE PASSWORD 'maker'`,
    );
    t.is(
      await serviceRole(server.url, 'plain'),
      'plain',
      'there are no such roles, and it may not make them',
    );
    t.is(await serviceRole(server.url, 'maker'), 'taskwire_app', 'it may make them');
    t.is(await serviceRole(server.url, 'plain'), 'plain', 'they are somebody else’s');
    await onServer(server.url, 'GRANT taskwire_app TO plain');
    t.is(
      await serviceRole(server.url, 'plain'),
      'taskwire_app',
      'they are somebody else’s, and were granted to it',
    );
  } finally {
    await server.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
});

/** Migrates a new database as its owner, uses it as the service would, and tells the role its requests work under. */
async function serviceRole(server: string, owner: string): Promise<string> {
  return withEmpty(server, `OWNER ${owner} ENCODING 'UTF8'`, async superuser => {
    const address = new URL(superuser);
    [address.username, address.password] = [owner, owner];
    const url = address.href;
    await migrate({ service: SERVICE, url, logger });
    await migrate({ service: SERVICE, url, logger });
    await withSession(url, async session => {
      await session.query(`SELECT feed.take_up_log(); INSERT INTO tasks (title) VALUES ('psql')`);
      await sequence(session);
      await session.query('SELECT feed.clean_staged($1, 0, 1)', ['0']);
    });
    return insertAsService(url);
  });
}

async function insertAsService(url: string): Promise<string> {
  const pool = await openPool({ service: SERVICE, url, size: 2, role: true });
  try {
    const row = await pool.one(insertTask);
    return row.role;
  } finally {
    await pool.end();
  }
}

const insertTask = sql.type(z.strictObject({ role: z.string() }))`
  INSERT INTO tasks (title) SELECT 'x' FROM (SELECT count(*) FROM feed.verify()) AS faults WHERE count = 0
  RETURNING current_user::text AS role`;

test('an instance that waits for somebody who migrates can be stopped', async t => {
  await withEmpty(SERVER, `ENCODING 'UTF8' LOCALE 'C.UTF-8'`, async url => {
    await withSession(url, async session => {
      await session.query(`SELECT pg_advisory_lock(hashtextextended('taskwire:migrate', 0))`);
      const stop = new AbortController();
      const migrating = migrate({ service: SERVICE, url, logger, signal: stop.signal });
      await until(async () => {
        const asking = `SELECT count(*)::integer FROM pg_stat_activity
          WHERE datname = current_database() AND query LIKE '%pg_try_advisory_lock%' AND pid <> pg_backend_pid()`;
        return readValue<number>(session, asking);
      });
      stop.abort();
      await t.throwsAsync(migrating);
    });
  });
});
