// Retention as an operator sees it: what is older than EVENT_RETENTION goes, whoever reads or writes meanwhile.
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type pg from 'pg';
import { type Send, senderTo } from '../helpers/http.ts';
import { startInstance } from '../helpers/instance.ts';
import { type Frame, openSocket } from '../helpers/socket.ts';
import { readValue, withDatabase } from '../helpers/sql.ts';
import { until } from '../helpers/until.ts';

const PARTITIONS = `
  SELECT string_agg(format('%s–%s', first, last), ' ' ORDER BY first) FROM feed.partitions()`;
const MANY = `INSERT INTO tasks (title) SELECT 'task ' || n FROM generate_series(1, 2500) AS n`;

// A log in partitions of a thousand positions.
async function makeSmall(psql: pg.Client): Promise<void> {
  await psql.query(`
    UPDATE feed.log SET partition_size = 1000;
    ALTER TABLE feed.events DETACH PARTITION feed.events_1;
    DROP TABLE feed.events_1;
    CREATE TABLE feed.events_1 (LIKE feed.events INCLUDING ALL, CONSTRAINT events_1_staged_id_key UNIQUE (staged_id));
    ALTER TABLE feed.events ATTACH PARTITION feed.events_1 FOR VALUES FROM (1) TO (1001)`);
}

test(
  'partitions below the floor go, beside a session that is in the middle of reading the log; readers are told, and the state is whole',
  withDatabase(async (t, database) => {
    const [psql, reader] = [await database.psql(), await database.psql()];
    await makeSmall(psql);
    const instance = await startInstance(database.url, { EVENT_RETENTION: '1s' });
    t.teardown(instance.stop);
    await psql.query(MANY);
    await until(async () => Number(await readValue(psql, 'SELECT max(position) FROM feed.events')) === 2500);
    await reader.query('BEGIN; SELECT count(*) FROM feed.events');
    await until(async () => Number(await readValue(psql, 'SELECT floor FROM feed.log')) === 2500);
    const send = senderTo(instance.address);
    t.like(await send('GET', '/events?after=0'), { status: 410, body: { reason: 'retention' } });
    t.is((await send('POST', '/tasks', { title: 'written while a partition is taken off' })).status, 201);
    await reader.query('COMMIT');
    await until(async () => !/^1–/.test(String(await readValue(psql, PARTITIONS))));
    await until(async () => /^2001–/.test(String(await readValue(psql, PARTITIONS))));
    const socket = openSocket(instance.address, '/ws/tasks?after=100');
    t.like(await socket.closed, { code: 4410 });
    t.is((await send('GET', '/tasks?as_of=2501&limit=200')).body.data.length, 200);
    t.deepEqual((await psql.query('SELECT * FROM feed.verify()')).rows, []);
  }),
);

test(
  'what retention takes out of the database is served from the archive: by pages, to sockets, filtered or not; a lost file is named',
  withDatabase(async (t, database) => {
    const psql = await database.psql();
    const folder = await mkdtemp(join(tmpdir(), 'taskwire-archive-'));
    t.teardown(() => rm(folder, { recursive: true, force: true }));
    await makeSmall(psql);
    const keeping = await startInstance(database.url);
    await psql.query(MANY);
    await psql.query(
      `INSERT INTO currencies (currency, name, rate, rate_date) VALUES ('USD', 'Dollar', 80, '2026-01-01')`,
    );
    await psql.query(`UPDATE tasks SET priority = 'high' WHERE title = 'task 7'`);
    await until(async () => Number(await readValue(psql, 'SELECT max(position) FROM feed.events')) === 2502);
    const walk = async (send: Send, query: string) => {
      const found: Frame[] = [];
      for (let after = 0; ; ) {
        const { status, body } = await send('GET', `/events?after=${after}&limit=1000${query}`);
        if (status !== 200) throw new Error(`${status} ${body.detail}`);
        found.push(...body.data);
        after = body.next_after;
        if (after >= 2502) return found;
      }
    };
    const before = await walk(senderTo(keeping.address), '');
    const subject = before[6]?.subject;
    await keeping.stop();
    const settings = { EVENT_RETENTION: '1s', EVENT_ARCHIVE: folder };
    const instance = await startInstance(database.url, settings);
    t.teardown(instance.stop);
    await until(async () => /^2001–/.test(String(await readValue(psql, PARTITIONS))));
    t.is(await readValue(psql, 'SELECT floor::integer FROM feed.log'), 2000);
    const send = senderTo(instance.address);
    t.deepEqual(await walk(send, ''), before);
    const only = (isIt: (event: Frame) => boolean) => before.filter(isIt);
    t.deepEqual(
      await walk(send, '&topic=currencies'),
      only(({ source }) => source === '/currencies'),
    );
    t.deepEqual(
      await walk(send, `&subject=${subject}`),
      only(event => event.subject === subject),
    );
    const socket = openSocket(instance.address, '/ws/events?after=0');
    for (const event of before) t.like(await socket.event(), { position: event.position });
    socket.drop();
    t.is((await send('GET', '/tasks?as_of=1000')).status, 410);
    t.is((await send('GET', '/events?after=0&compact=true')).status, 410);
    t.deepEqual((await psql.query('SELECT * FROM feed.verify()')).rows, []);

    const [log] = await readdir(folder);
    await writeFile(join(folder, log ?? '', '1001-2000.jsonl.gz'), 'another');
    const other = await startInstance(database.url, settings);
    t.teardown(other.stop);
    await t.throwsAsync(walk(senderTo(other.address), ''), {
      message: /^410 .*1001-2000 is not as it was written/,
    });
    const bare = await startInstance(database.url);
    t.teardown(bare.stop);
    t.like(await senderTo(bare.address)('GET', '/events?after=0'), {
      status: 410,
      body: { reason: 'retention' },
    });
  }),
);

test(
  'while the archive cannot be written nothing goes, readiness warns of it, and it goes on by itself',
  withDatabase(async (t, database) => {
    const psql = await database.psql();
    const folder = await mkdtemp(join(tmpdir(), 'taskwire-archive-'));
    t.teardown(() => rm(folder, { recursive: true, force: true }));
    await makeSmall(psql);
    const archive = join(folder, 'archive');
    await writeFile(archive, 'a file in its place');
    const instance = await startInstance(database.url, { EVENT_RETENTION: '1s', EVENT_ARCHIVE: archive });
    t.teardown(instance.stop);
    await psql.query(MANY);
    const ready = async () => senderTo(instance.address)('GET', '/health/ready');
    const warned = await until(ready, ({ body }) => body.warnings !== undefined);
    t.is(warned.status, 200);
    t.regex(String(warned.body.warnings), /old events cannot be let go, .*(ENOTDIR|EEXIST)/);
    t.is(await readValue(psql, 'SELECT floor::integer FROM feed.log'), 0);
    t.regex(String(await readValue(psql, PARTITIONS)), /^1–/);
    await rm(archive);
    await until(async () => (await readValue(psql, 'SELECT floor::integer FROM feed.log')) === 2000);
    await until(ready, ({ body }) => body.warnings === undefined);
  }),
);

test(
  'a service lets go of its own log alone, and of no table that is only called like a partition',
  withDatabase(async (t, database) => {
    const psql = await database.psql();
    const instance = await startInstance(database.url, {
      SERVICE_NAME: 'other',
      EVENT_RETENTION: '1s',
      EVENT_PARTITION: '100',
    });
    t.teardown(instance.stop);
    await psql.query(
      'CREATE TABLE feed.events_2024 (id integer); CREATE TABLE other_feed.events_2024 (id integer)',
    );
    await psql.query(`INSERT INTO other.tasks (title) SELECT 'task' FROM generate_series(1, 350)`);
    const first = 'SELECT min(first)::integer FROM other_feed.partitions()';
    await until(async () => Number(await readValue(psql, first)) > 300);
    await psql.query('TABLE feed.events_2024; TABLE other_feed.events_2024');
    t.is(await readValue(psql, PARTITIONS), '1–10000000');
    t.is(await readValue(psql, 'SELECT count(*)::integer FROM other_feed.detached'), 0);
  }),
);

const DETACHING = `
  SELECT pid FROM pg_stat_activity
  WHERE datname = current_database() AND application_name = 'taskwire retention' AND query LIKE '%CONCURRENTLY' AND state = 'active'`;

test(
  'a taking off that was cut off is finished once nobody reads the partition, and numbering goes on meanwhile',
  withDatabase(async (t, database) => {
    const [psql, reader] = [await database.psql(), await database.psql()];
    await makeSmall(psql);
    const instance = await startInstance(database.url, { EVENT_RETENTION: '1s' });
    t.teardown(instance.stop);
    await reader.query('BEGIN; SELECT count(*) FROM feed.events');
    await psql.query(MANY);
    const pid = await until(() => readValue<number | undefined>(psql, DETACHING));
    await psql.query('SELECT pg_cancel_backend($1)', [pid]);
    await until(() => readValue<boolean>(psql, 'SELECT bool_or(is_detached) FROM feed.partitions()'));
    for (let round = 2; round <= 5; round++) {
      await psql.query(MANY);
      await until(
        async () => Number(await readValue(psql, 'SELECT max(position) FROM feed.events')) === round * 2500,
      );
      t.is((await fetch(`${instance.address}/health/ready`)).status, 200);
    }
    await reader.query('COMMIT');
    await until(async () => !/^1–/.test(String(await readValue(psql, PARTITIONS))));
    t.deepEqual((await psql.query('SELECT * FROM feed.verify()')).rows, []);
  }),
);
