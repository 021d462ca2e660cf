// Events out: each once, in order, with what the stream must carry to be resumed from.
import { createCable } from '../helpers/cable.ts';
import { read } from '../helpers/http.ts';
import {
  createTestNats,
  holdsPositions,
  makeEventStream,
  natsTest,
  readStream,
  untilPosition,
} from '../helpers/nats.ts';
import { readMetric, untilWarnings, withNats } from '../helpers/nats_scene.ts';
import { tellAsBefore } from '../helpers/spelling.ts';
import { until } from '../helpers/until.ts';

natsTest(
  'every event is in the stream, in order, under its subject, as it is everywhere else',
  withNats(async (t, { nats, psql, start, insert }) => {
    const instance = await start();
    await insert(3);
    await psql.query(`UPDATE tasks SET status = 'done' WHERE title = 'task 2'`);
    await psql.query(`DELETE FROM tasks WHERE title = 'task 3'`);
    await untilPosition(nats, 5);
    const found = await holdsPositions(t, nats, { through: 5 });
    t.deepEqual(
      found.map(message => message.subject),
      [
        ...Array(3).fill('taskwire.events.tasks.task_created'),
        'taskwire.events.tasks.task_updated',
        'taskwire.events.tasks.task_deleted',
      ],
    );
    const { body: page } = await read(await fetch(`${instance.address}/events?after=0`));
    t.deepEqual(
      found.map(({ body }) => JSON.parse(body)),
      page.data,
    );
    const { rows } = await psql.query('SELECT id FROM feed.log');
    t.true(found.every(({ log }) => log === rows[0].id));
  }),
);

natsTest(
  "runs, and a table of one's own, have their subjects; what a subject cannot hold is escaped",
  withNats(async (t, { nats, psql, start }) => {
    await psql.query(`
      CREATE TABLE orders (id integer PRIMARY KEY, state text);
      CREATE FUNCTION feed.render(orders) RETURNS json LANGUAGE sql STABLE AS 'SELECT to_json($1)';
      SELECT feed.watch('orders', 'orders', 'order', 'id', 'state')`);
    const { address } = await start();
    await psql.query(`INSERT INTO orders VALUES (1, 'on its way'), (2, 'a.b*c>é')`);
    await fetch(`${address}/task-generator/run`, { method: 'POST' });
    await untilPosition(nats, 3);
    const subjects = (await readStream(nats)).map(({ subject }) => subject).slice(0, 3);
    t.deepEqual(subjects, [
      'taskwire.events.orders.order_on%20its%20way',
      'taskwire.events.orders.order_a%2Eb%2Ac%3E%C3%A9',
      'taskwire.events.runs.run_queued',
    ]);
  }),
);

natsTest(
  'an event is the same in the stream and in the log however its row is spelled: the bridge goes on behind it',
  withNats(async (t, { nats, psql, start, insert }) => {
    const instance = await start();
    await insert(3);
    await untilPosition(nats, 3);
    await instance.stop();
    await tellAsBefore(psql);
    await start();
    await insert(1);
    await untilPosition(nats, 4);
    await holdsPositions(t, nats, { through: 4 });
  }),
);

natsTest(
  'an instance that starts again goes on after the last position of the stream',
  withNats(async (t, { nats, start, insert }) => {
    for (let round = 1; round <= 3; round++) {
      const instance = await start();
      await insert(10);
      await untilPosition(nats, round * 20 - 10);
      await instance.stop();
      await insert(10); // while nobody is there
    }
    await start();
    await untilPosition(nats, 60);
    await holdsPositions(t, nats, { through: 60 });
  }),
);

natsTest(
  'without NATS an instance starts, works, and says what is wrong; the stream is filled when NATS has come',
  withNats(async (t, { nats, start, insert }) => {
    await nats.end('SIGTERM');
    const instance = await start();
    await insert(5);
    const body = await untilWarnings(instance, Boolean);
    t.is(body.status, 'ok');
    t.regex(String(body.warnings), /^NATS is away: /);
    t.is(await readMetric(instance, 'taskwire_nats_connected'), 0);
    const answer = await fetch(`${instance.address}/tasks`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ title: 'meanwhile' }),
    });
    t.is(answer.status, 201);
    await nats.start();
    await untilPosition(nats, 6);
    await holdsPositions(t, nats, { through: 6 });
    t.deepEqual(await untilWarnings(instance, warnings => warnings === ''), { status: 'ok' });
  }),
);

natsTest(
  'one of two instances publishes; the metrics say which, and how far the stream is',
  withNats(async (t, { nats, start, insert }) => {
    const instances = [await start(), await start()];
    await insert(10);
    await untilPosition(nats, 10);
    const metric = (name: string) => Promise.all(instances.map(each => readMetric(each, name)));
    await until(
      () => metric('taskwire_nats_connected'),
      ([one, other]) => one === 1 && other === 1,
    );
    const leading = await metric('taskwire_nats_bridge_leader');
    t.deepEqual(leading.toSorted(), [0, 1]);
    const leader = leading.indexOf(1);
    await until(async () => (await metric('taskwire_nats_published_total'))[leader] === 10);
    t.is((await metric('taskwire_nats_published_total'))[1 - leader], 0);
    t.is((await metric('taskwire_nats_lag_events'))[leader], 0);
    t.is((await metric('taskwire_nats_lag_events'))[1 - leader], Number.NaN);
    await instances[leader]?.stop();
    await insert(10);
    await untilPosition(nats, 20);
    await holdsPositions(t, nats, { through: 20 });
  }),
);

natsTest(
  'an instance that has lost NATS, and led once, takes what it knew then for no lag of today',
  withNats(async (t, { nats, start, insert }) => {
    const cable = await createCable(new URL(nats.url));
    t.teardown(cable.cut);
    const before = await start({ NATS_URL: cable.through(nats.url) });
    await insert(10);
    await untilPosition(nats, 10);
    cable.cut();
    await start();
    await insert(10);
    await untilPosition(nats, 20);
    cable.mend();
    const isConnected = (wanted: number) =>
      until(async () => (await readMetric(before, 'taskwire_nats_connected')) === wanted);
    await isConnected(1);
    await nats.end('SIGTERM');
    await isConnected(0);
    t.is(await readMetric(before, 'taskwire_nats_lag_events'), Number.NaN);
  }),
);

natsTest(
  'NATS that answers nothing holds up nobody, and has all events once it answers again',
  withNats(async (t, { nats, start, insert }) => {
    await start();
    await insert(10);
    await untilPosition(nats, 10);
    nats.freeze();
    await insert(3_000); // more than is ever on its way
    nats.thaw();
    await untilPosition(nats, 3_010);
    await holdsPositions(t, nats, { through: 3_010 });
  }),
);

natsTest(
  'a service of another name has a stream and subjects of its own',
  withNats(async (t, { nats, database, start, insert }) => {
    await start();
    await start({ SERVICE_NAME: 'shop' });
    await insert(2);
    const session = await database.psql();
    await session.query(`INSERT INTO shop.tasks (title) VALUES ('a shop''s')`);
    await untilPosition(nats, 2);
    await untilPosition(nats, 1, 'shop_events');
    await holdsPositions(t, nats, { through: 2 });
    const found = await readStream(nats, 'shop_events');
    t.deepEqual(
      found.map(({ subject }) => subject),
      ['shop.events.tasks.task_created'],
    );
  }),
);

natsTest('a user and a password in the address are used, and wrong ones are no secret told', async t => {
  const nats = await createTestNats(['--user', 'me', '--pass', 'p@ss'], 'me:p%40ss');
  t.teardown(nats.drop);
  await withNats(async (_, { start, insert }) => {
    const wrong = await start({ NATS_URL: nats.url.replace('p%40ss', 'hidden') });
    const { warnings } = await untilWarnings(wrong, Boolean);
    t.regex(String(warnings), /Authorization/);
    t.notRegex(String(warnings), /hidden/);
    await start({ NATS_URL: nats.url });
    await insert(1);
    await untilPosition(nats, 1);
  })(t);
});

natsTest(
  'an event larger than NATS takes goes out without its data, under a header that says where they are',
  withNats(async (t, { nats, start, insert, psql }) => {
    const { address } = await start();
    await insert(1);
    await psql.query(`
      CREATE TABLE docs (id integer PRIMARY KEY, body text);
      SELECT feed.watch('docs', 'docs', 'doc');
      INSERT INTO docs VALUES (1, repeat('x', 3000000))`); // max_payload is 1 MiB
    await insert(1);
    await untilPosition(nats, 3);
    const [, large] = await holdsPositions(t, nats, { through: 3 });
    t.is(large?.dataref, '/events?after=1&limit=1');
    const told = JSON.parse(large?.body ?? '');
    t.like(told, { position: 2, type: 'doc_created', subject: '1', dataref: large?.dataref });
    t.false('data' in told);
    const { body: page } = await read(await fetch(`${address}${large?.dataref}`));
    t.like(page.data[0], { position: 2, data: { doc: { id: 1 } } });
  }),
);

natsTest(
  'after a large event an instance that starts again goes on, as after any other',
  withNats(async (t, { nats, start, insert, psql }) => {
    await makeEventStream(nats, { max_msg_size: 2_000 });
    const instance = await start();
    await psql.query(`INSERT INTO tasks (title, description) VALUES ('long', repeat('x', 3000))`);
    await untilPosition(nats, 1);
    await instance.stop();
    await start();
    await insert(1);
    await untilPosition(nats, 2);
    await holdsPositions(t, nats, { through: 2 });
  }),
);

natsTest(
  'a stream that takes not even an event without its data stops the bridge, which says so and goes on when it is taken',
  withNats(async (t, { nats, start, insert }) => {
    await makeEventStream(nats, { max_msg_size: 300 });
    const instance = await start();
    await insert(1);
    const { warnings } = await untilWarnings(instance, Boolean);
    t.regex(String(warnings), /not even what is told of position 1 without its data/);
    t.is(await readMetric(instance, 'taskwire_nats_halted'), 1);
    await nats.manager.streams.update('taskwire_events', { max_msg_size: -1 });
    await untilPosition(nats, 1);
    await holdsPositions(t, nats, { through: 1 });
  }),
);
