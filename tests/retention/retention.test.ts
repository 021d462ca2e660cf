// Retention as an operator sees it: what is older than EVENT_RETENTION goes, whoever reads or writes meanwhile.
import test from 'ava';
import { senderTo } from '../helpers/http.ts';
import { startInstance } from '../helpers/instance.ts';
import { openSocket } from '../helpers/socket.ts';
import { readValue, withDatabase } from '../helpers/sql.ts';
import { until } from '../helpers/until.ts';

const PARTITIONS = `
  SELECT string_agg(format('%s–%s', first, last), ' ' ORDER BY first) FROM feed.partitions()`;
const MANY = `INSERT INTO tasks (title) SELECT 'task ' || n FROM generate_series(1, 2500) AS n`;

test(
  'partitions below the floor go, beside a session that is in the middle of reading the log; readers are told, and the state is whole',
  withDatabase(async (t, database) => {
    const [psql, reader] = [await database.psql(), await database.psql()];
    await psql.query('UPDATE feed.log SET partition_size = 1000');
    await psql.query(`ALTER TABLE feed.events DETACH PARTITION feed.events_1; DROP TABLE feed.events_1;
      CREATE TABLE feed.events_1 (LIKE feed.events INCLUDING ALL, CONSTRAINT events_1_staged_id_key UNIQUE (staged_id));
      ALTER TABLE feed.events ATTACH PARTITION feed.events_1 FOR VALUES FROM (1) TO (1001)`);
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
