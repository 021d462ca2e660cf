// Each trouble that can be made on purpose in a database: the doctor names it, and says what to do.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { examine } from '../../src/doctor/doctor.ts';
import { openPatient, type Patient } from '../../src/doctor/patient.ts';
import type { Remark } from '../../src/doctor/remark.ts';
import { createTestDatabase, SERVICE, type TestDatabase } from '../helpers/database.ts';
import { createTestNats, natsTest } from '../helpers/nats.ts';
import { refusal, sequence, withDatabase } from '../helpers/sql.ts';

async function open(t: ExecutionContext, { url }: TestDatabase, settings: Partial<Patient['settings']> = {}) {
  const { patient, close } = await openPatient(SERVICE, {
    databaseUrl: url,
    directUrl: url,
    poolSize: 10,
    natsUrl: undefined,
    retention: undefined,
    archive: undefined,
    throughPooler: false,
    ...settings,
  });
  t.teardown(close);
  return patient;
}

async function remarksOn(
  t: ExecutionContext,
  database: TestDatabase,
  settings?: Partial<Patient['settings']>,
): Promise<Remark[]> {
  const remarks: Remark[] = [];
  for await (const remark of examine(await open(t, database, settings))) remarks.push(remark);
  return remarks;
}

interface Trouble {
  made(t: ExecutionContext, database: TestDatabase): Promise<unknown>;
  subject: string;
  said: RegExp;
  grade: 'note' | 'wrong';
  settings?: Partial<Patient['settings']>;
}

const sql = (text: string) => async (_: ExecutionContext, database: TestDatabase) =>
  (await database.psql()).query(text);
const RATES_FAILED = `
  SET session_replication_role = replica;
  INSERT INTO runs (id, kind, status, error, started_at, finished_at)
  SELECT gen_random_uuid(), 'currency_rates', 'failed', 'the bank is away', now(), now() - n * interval '1 h'
  FROM generate_series(1, 3) AS n`;

const TROUBLES: Record<string, Trouble> = {
  'a migration that is not applied': {
    made: sql(`DELETE FROM feed.migrations WHERE name = '0003_runs'`),
    subject: 'schema',
    said: /the migration 0003_runs is not applied/,
    grade: 'wrong',
  },
  'a trigger that was switched off': {
    made: sql('ALTER TABLE tasks DISABLE TRIGGER "00_feed_capture"'),
    subject: 'schema',
    said: /the trigger "00_feed_capture" of .*tasks does not fire always/,
    grade: 'wrong',
  },
  'row security without a policy': {
    made: sql('ALTER TABLE tasks ENABLE ROW LEVEL SECURITY'),
    subject: 'schema',
    said: /row security keeps the table .*tasks from the role/,
    grade: 'wrong',
  },
  'a setting that forbids writes': {
    made: sql(`DO $$ BEGIN
      EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database());
    END $$`),
    subject: 'writes',
    said: /default_transaction_read_only is on/,
    grade: 'note',
  },
  'an index that is invalid': {
    made: sql(`UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'runs_by_kind'::regclass`),
    subject: 'remains',
    said: /the index (public\.)?runs_by_kind is invalid/,
    grade: 'wrong',
  },
  'a stranger on the lock of the leader': {
    made: sql(`SELECT pg_advisory_lock(feed.lock_key('leader'))`),
    subject: 'numbering',
    said: /the leader's lock is held by pid \d+, role \S+, application "taskwire test"/,
    grade: 'wrong',
  },
  'a log that was numbered in the future': {
    made: sql(`SET session_replication_role = replica; ALTER TABLE feed.event_batches DISABLE TRIGGER ALL;
      UPDATE feed.event_batches SET at = now() + interval '1 hour'`),
    subject: 'clocks',
    said: /the server's clock has gone back/,
    grade: 'wrong',
  },
  'runs that fail again and again': {
    made: sql(RATES_FAILED),
    subject: 'runs',
    said: /the last 3 runs of currency_rates failed: the bank is away$/,
    grade: 'wrong',
  },
  'messages that NATS brought in vain': {
    made: sql(`INSERT INTO rejected_messages (subject, payload, payload_size, reason, stream, sequence, sent_at)
      VALUES ('rates', 'x', 1, 'it is no JSON', 's', 1, now())`),
    subject: 'messages',
    said: /1 of NATS were rejected in the last day/,
    grade: 'note',
    settings: { natsUrl: 'nats://127.0.0.1:1' },
  },
  'a NATS that is not there': {
    made: async () => {},
    subject: 'NATS',
    said: /^127\.0\.0\.1:1 takes no connection: /,
    grade: 'wrong',
    settings: { natsUrl: 'nats://127.0.0.1:1' },
  },
  'an archive that is not there': {
    made: async () => {},
    subject: 'archive',
    said: /cannot be written to from here \(ENOENT\)/,
    grade: 'wrong',
    settings: { archive: join(tmpdir(), 'taskwire-no-such-archive'), retention: 86_400 },
  },
};

for (const [name, { made, subject, said, grade, settings }] of Object.entries(TROUBLES))
  test(
    `the doctor names ${name}, and what to do`,
    withDatabase(async (t, database) => {
      await made(t, database);
      const remarks = await remarksOn(t, database, settings);
      const found = remarks.filter(remark => remark.subject === subject && said.test(remark.text));
      t.deepEqual(
        found.map(remark => remark.grade),
        [grade],
        JSON.stringify(remarks, null, 2),
      );
      t.truthy(found[0]?.advice);
      t.truthy(found[0]?.section);
    }),
  );

test(
  'the doctor names a replication slot that nobody reads, and what is kept for it',
  withDatabase(async (t, database) => {
    const psql = await database.psql();
    const slot = `taskwire_test_${process.pid}`;
    await psql.query('SELECT pg_create_physical_replication_slot($1, true)', [slot]);
    try {
      const remarks = await remarksOn(t, database);
      const found = remarks.find(({ text }) => text.startsWith(slot));
      t.is(found?.grade, 'note');
      t.regex(found?.text ?? '', / has no reader and keeps \d+(\.\d)? .?B of write-ahead log$/);
    } finally {
      await psql.query('SELECT pg_drop_replication_slot($1)', [slot]);
    }
  }),
);

test(
  'an address through a pooler that leads elsewhere, or nowhere, is named; one that leads to the same database is well',
  withDatabase(async (t, database) => {
    const another = await createTestDatabase();
    t.teardown(() => another.drop());
    const psql = await another.psql();
    await psql.query('UPDATE feed.log SET id = gen_random_uuid()'); // the template's, like the other one's
    for (const [databaseUrl, grade, said] of [
      [database.url, 'ok', /lead to the same database$/],
      [another.url, 'wrong', /lead to different databases$/],
      [
        'postgres://127.0.0.1:1/nowhere',
        'wrong',
        /^DATABASE_URL does not serve: the database cannot be reached/,
      ],
    ] as const) {
      const remarks = await remarksOn(t, database, { databaseUrl, throughPooler: true });
      const [found] = remarks.filter(({ subject }) => subject === 'pooler');
      t.is(found?.grade, grade);
      t.regex(found?.text ?? '', said);
    }
  }),
);

test(
  'the age of the oldest event is held against what is to be kept',
  withDatabase(async (t, database) => {
    const psql = await database.psql();
    await psql.query("INSERT INTO tasks (title) VALUES ('x')");
    await sequence(psql);
    const remarks = await remarksOn(t, database, { retention: 86_400 });
    const [found] = remarks.filter(({ subject }) => subject === 'retention');
    t.is(found?.grade, 'ok');
    t.regex(found?.text ?? '', /^the oldest event is \d+ s old; 24 h are kept$/);
  }),
);

natsTest(
  'a NATS that answers and has JetStream is well',
  withDatabase(async (t, database) => {
    const nats = await createTestNats();
    t.teardown(() => nats.drop());
    const remarks = await remarksOn(t, database, { natsUrl: nats.url });
    const [found] = remarks.filter(({ subject }) => subject === 'NATS');
    t.is(found?.grade, 'ok');
    t.regex(found?.text ?? '', /^version \S+, with JetStream$/);
  }),
);

test(
  'what cannot be looked at is said to be so, and keeps nothing else from being looked at',
  withDatabase(async (t, database) => {
    const psql = await database.psql();
    await psql.query('DROP TABLE imports; ALTER TABLE feed.migrations RENAME TO moved');
    const remarks = await remarksOn(t, database);
    const [schema] = remarks.filter(({ subject }) => subject === 'schema');
    t.is(schema?.grade, 'wrong');
    t.regex(schema?.text ?? '', /^this could not be looked at: .*feed\.migrations/);
    t.truthy(remarks.find(({ subject }) => subject === 'runs'));
  }),
);

test(
  'the session that it looks with can change nothing',
  withDatabase(async (t, database) => {
    const { session } = await open(t, database);
    t.is((await refusal(session.query(`INSERT INTO tasks (title) VALUES ('x')`))).code, '25006');
  }),
);

test(
  'an archive that can be written to is well, and the log is said to be kept for as long as it is',
  withDatabase(async (t, database) => {
    const archive = await mkdtemp(join(tmpdir(), 'taskwire-archive-'));
    t.teardown(() => rm(archive, { recursive: true }));
    const remarks = await remarksOn(t, database, { archive, retention: 86_400 });
    t.is(remarks.find(({ subject }) => subject === 'archive')?.grade, 'ok');
    const log = remarks.find(({ subject }) => subject === 'log');
    t.regex(log?.text ?? '', /^positions 1 to 0, .*, kept for 24 h; 0 events in the last day/);
  }),
);
