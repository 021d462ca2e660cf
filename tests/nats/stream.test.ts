// What may become of the stream itself: emptied, deleted, filled by others, wrongly made, or ahead of a log that was set
// back. The bridge goes on by itself where that is right, and waits for a person where it is not.
import { headers } from '@nats-io/transport-node';
import {
  holdsPositions,
  lastPosition,
  makeEventStream,
  natsTest,
  readStream,
  untilPosition,
} from '../helpers/nats.ts';
import { readMetric, type Scene, untilWarnings, withNats } from '../helpers/nats_scene.ts';
import { openSocket } from '../helpers/socket.ts';
import { readValue, shortenLog } from '../helpers/sql.ts';
import { until } from '../helpers/until.ts';

natsTest(
  'an emptied stream is filled again from the beginning of the log, at rest or while nobody is there',
  withNats(async (t, { nats, start, insert }) => {
    const instance = await start();
    await insert(700);
    await untilPosition(nats, 700);
    await nats.manager.streams.purge('taskwire_events');
    await untilPosition(nats, 700);
    await holdsPositions(t, nats, { through: 700 });
    await instance.stop();
    await nats.manager.streams.purge('taskwire_events');
    await start();
    await insert(1);
    await untilPosition(nats, 701);
    await holdsPositions(t, nats, { through: 701 });
  }),
);

natsTest(
  'a stream that remembers its ids for longer than it holds them is filled again once it has forgotten them',
  withNats(async (t, { nats, start, insert }) => {
    await makeEventStream(nats, { duplicate_window: 4_000_000_000 });
    await start();
    await insert(10);
    await untilPosition(nats, 10);
    await nats.manager.streams.purge('taskwire_events');
    await insert(1);
    await untilPosition(nats, 11);
    const [first] = await readStream(nats);
    t.true(first?.id === '1' || first?.id === '11', first?.id); // purged before, or after, it was looked at
    t.deepEqual(
      (await readStream(nats)).map(({ id }) => Number(id)),
      Array.from({ length: 12 - Number(first?.id) }, (_, index) => Number(first?.id) + index),
    );
  }),
);

natsTest(
  'a deleted stream is made and filled again, at rest or in the middle of everything',
  withNats(async (t, { nats, start, insert }) => {
    await start();
    await insert(300);
    await untilPosition(nats, 300);
    await nats.manager.streams.delete('taskwire_events');
    await untilPosition(nats, 300);
    await insert(2_000);
    await nats.manager.streams.delete('taskwire_events').catch(() => {});
    await insert(10);
    await untilPosition(nats, 2_310);
    await holdsPositions(t, nats, { through: 2_310 });
    const { config } = await nats.manager.streams.info('taskwire_events');
    t.like(config, {
      subjects: ['taskwire.events.>'],
      retention: 'limits',
      storage: 'file',
      discard: 'old',
      max_msgs: 1_000_000,
      max_age: 0,
      duplicate_window: 1_000_000_000,
    });
  }),
);

natsTest(
  'a stream that forgets its oldest goes on after its last',
  withNats(async (t, { nats, start, insert }) => {
    await makeEventStream(nats, { max_msgs: 100 });
    const instance = await start();
    await insert(250);
    await untilPosition(nats, 250);
    await instance.stop();
    await start();
    await insert(50);
    await untilPosition(nats, 300);
    await holdsPositions(t, nats, { from: 201, through: 300 });
  }),
);

natsTest(
  'what somebody else publishes among the events is passed over, at rest, between two instances and in a full run',
  withNats(async (t, { nats, start, insert }) => {
    const instance = await start();
    const foreign = () => nats.client.publish('taskwire.events.tasks.task_created', 'not ours');
    await insert(5);
    await untilPosition(nats, 5);
    await foreign();
    await insert(5);
    await untilPosition(nats, 10);
    await Promise.all([insert(500), foreign(), foreign()]);
    await untilPosition(nats, 510);
    await instance.stop();
    for (let count = 0; count < 20; count++) await foreign();
    await start();
    await insert(5);
    await untilPosition(nats, 515);
    const found = await readStream(nats);
    const ours = found.filter(({ body }) => body !== 'not ours').map(({ id }) => Number(id));
    t.deepEqual(
      ours,
      Array.from({ length: 515 }, (_, index) => index + 1),
    );
    t.is(found.length - ours.length, 23);
  }),
);

const UNFIT = {
  max_age: [{ max_age: 3_600_000_000_000 }, /no limit of age/],
  memory: [{ storage: 'memory' }, /storage must be file/],
  subjects: [
    { subjects: ['taskwire.events.>', 'other'] },
    /subjects must be taskwire\.events\.> and nothing else/,
  ],
  'per subject': [{ max_msgs_per_subject: 10 }, /no limit per subject/],
  'discard new': [{ discard: 'new', max_msgs: 10 }, /must discard old messages/],
  workqueue: [{ retention: 'workqueue' }, /retention must be limits/],
} as const;

for (const [name, [config, reason]] of Object.entries(UNFIT)) {
  natsTest(
    `a stream that cannot hold the promise is refused, and the service works on: ${name}`,
    withNats(async (t, { nats, start, insert }) => {
      await makeEventStream(nats, structuredClone(config) as Parameters<typeof makeEventStream>[1]);
      const instance = await start();
      await insert(1);
      const { status, warnings } = await untilWarnings(instance, Boolean);
      t.is(status, 'ok');
      t.regex(
        String(warnings),
        /^events do not get into NATS: the stream taskwire_events cannot hold the events: /,
      );
      t.regex(String(warnings), reason);
      t.is(await readMetric(instance, 'taskwire_nats_halted'), 1);
      t.is(await readMetric(instance, 'taskwire_nats_lag_events'), Number.NaN);
      t.is(await lastPosition(nats), 0);
      await nats.manager.streams.delete('taskwire_events');
      await untilPosition(nats, 1);
      await untilWarnings(instance, text => text === '');
      t.is(await readMetric(instance, 'taskwire_nats_halted'), 0);
    }),
  );
}

natsTest(
  'a stream whose configuration is made unfit under the bridge stops it, until it is fit again',
  withNats(async (t, { nats, start, insert }) => {
    const instance = await start();
    await insert(1);
    await untilPosition(nats, 1);
    await nats.manager.streams.update('taskwire_events', { max_age: 3_600_000_000_000 });
    await untilWarnings(instance, text => text.includes('limit of age'));
    await insert(1);
    await until(async () => (await readMetric(instance, 'taskwire_nats_lag_events')) === 1);
    await nats.manager.streams.update('taskwire_events', { max_age: 0 });
    await untilPosition(nats, 2);
    await holdsPositions(t, nats, { through: 2 });
  }),
);

natsTest(
  'a log that has become another one, and holds all it held, goes on in the same stream under its new id',
  withNats(async (t, { nats, psql, start, insert }) => {
    const { address } = await start();
    await insert(3);
    await untilPosition(nats, 3);
    const socket = openSocket(address, '/ws/events');
    await socket.next();
    const log = await readValue<string>(psql, 'SELECT feed.new_log()::text');
    t.is((await socket.closed).code, 4410); // the instance has heard of it
    await insert(3);
    await untilPosition(nats, 6);
    const found = await holdsPositions(t, nats, { through: 6 });
    t.not(found[2]?.log, log);
    t.is(found[3]?.log, log);
  }),
);

// A restored backup: the log loses its end. Then life goes on, up to a position that the stream has seen already.
async function setBack({ psql }: Scene, to: number, newLog: boolean): Promise<void> {
  await psql.query(`
    BEGIN;
    SET LOCAL session_replication_role = replica;
    ALTER TABLE feed.events DISABLE TRIGGER ALL;
    ALTER TABLE feed.event_batches DISABLE TRIGGER ALL;
    DELETE FROM feed.events WHERE position > ${to};
    DELETE FROM feed.staged;
    DELETE FROM feed.event_batches WHERE last_position > ${to};
    INSERT INTO feed.event_batches (last_position, snapshot, at) VALUES (${to}, pg_current_snapshot(), now());
    ALTER TABLE feed.events ENABLE TRIGGER ALL;
    ALTER TABLE feed.event_batches ENABLE TRIGGER ALL;
    COMMIT;`);
  if (newLog) await psql.query('SELECT feed.new_log()');
}

for (const [name, { added, newLog, reason }] of Object.entries({
  'the stream is ahead': { added: 1, newLog: true, reason: /its last position is 10, and the log's 6/ },
  'the log has caught up with it': { added: 5, newLog: true, reason: /its position 10 is another event/ },
  'the log is beyond it': { added: 20, newLog: true, reason: /its position 10 is another event/ },
  'nobody gave it a new id': { added: 20, newLog: false, reason: /its position 10 is another event/ },
})) {
  natsTest(
    `a log that was set back publishes no position a second time, says so, and fills a purged stream: ${name}`,
    withNats(async (t, scene) => {
      const { nats, psql, start, insert } = scene;
      const before = await start();
      await insert(10);
      await untilPosition(nats, 10);
      await before.stop();
      await setBack(scene, 5, newLog);
      const instance = await start();
      await insert(added);
      const { status, warnings } = await untilWarnings(instance, text => reason.test(text));
      t.is(status, 'ok');
      t.regex(
        String(warnings),
        /the log was set back, and the stream taskwire_events holds events that it lost, or never had/,
      );
      t.regex(String(warnings), /Purge or delete the stream/);
      t.is(await readMetric(instance, 'taskwire_nats_halted'), 1);
      // All of it is to come again.
      await until(async () => (await readMetric(instance, 'taskwire_nats_lag_events')) === 5 + added);
      await holdsPositions(t, nats, { through: 10 });
      await nats.manager.streams.purge('taskwire_events');
      await untilPosition(nats, 5 + added);
      const found = await holdsPositions(t, nats, { through: 5 + added });
      const log = await readValue<string>(psql, 'SELECT id::text FROM feed.log');
      t.true(found.every(message => message.log === log));
      await untilWarnings(instance, text => text === '');
      await until(async () => (await readMetric(instance, 'taskwire_nats_lag_events')) === 0);
    }),
  );
}

natsTest(
  'a log that is set back under the bridge leaves no lag of 0 behind',
  withNats(async (t, scene) => {
    const { nats, start, insert } = scene;
    const instance = await start();
    await insert(10);
    await untilPosition(nats, 10);
    const lag = () => readMetric(instance, 'taskwire_nats_lag_events');
    await until(async () => (await lag()) === 0);
    await nats.end('SIGTERM');
    await setBack(scene, 5, true);
    await nats.start();
    await insert(1);
    await untilWarnings(instance, text => /its last position is 10, and the log's 6/.test(text));
    t.is(await lag(), 6);
    await nats.manager.streams.purge('taskwire_events');
    await untilPosition(nats, 6);
    await until(async () => (await lag()) === 0);
  }),
);

natsTest(
  'an event that another log has put in between stops the bridge, though what it had on its way fitted behind it',
  withNats(async (t, { nats, psql, start, insert }) => {
    const instance = await start();
    await insert(5);
    await untilPosition(nats, 5);
    const own = headers();
    own.set('Taskwire-Log', '00000000-0000-0000-0000-000000000000');
    const event = { position: 6, type: 'task_created', subject: 'x', time: 'x', transaction: '1' };
    await nats.client.publish('taskwire.events.tasks.task_created', JSON.stringify(event), {
      headers: own,
      msgID: '6',
      expect: { lastSequence: 5 },
    });
    await insert(50);
    const { warnings } = await untilWarnings(instance, text => text.includes('its position 6'));
    t.regex(String(warnings), /its position 6 (has come from another log|is another event)/);
    const log = await readValue<string>(psql, 'SELECT id::text FROM feed.log');
    const mixed = (await readStream(nats)).map(message => message.log === log);
    t.false(mixed[5]);
    await nats.manager.streams.purge('taskwire_events');
    await untilPosition(nats, 55);
    const found = await holdsPositions(t, nats, { through: 55 });
    t.true(found.every(message => message.log === log));
  }),
);

natsTest(
  'where the log has cut off what the stream lacks, the stream goes on with what is kept',
  withNats(async (t, { nats, psql, start, insert }) => {
    const before = await start();
    await insert(5);
    await untilPosition(nats, 5);
    await before.stop();
    const without = await start({ NATS_URL: '' });
    await insert(10);
    await until(async () => (await readValue(psql, 'SELECT max(position)::integer FROM feed.events')) === 15);
    await without.stop();
    await shortenLog(psql, 8);
    await start();
    await untilPosition(nats, 15);
    t.deepEqual(
      (await readStream(nats)).map(({ id }) => Number(id)),
      [1, 2, 3, 4, 5, 9, 10, 11, 12, 13, 14, 15],
    );
  }),
);
