// Two who publish the same at once: a lock that was lost without notice, a process that stood still. The stream takes
// each position from one of them.
import { headers } from '@nats-io/transport-node';
import { createLogger } from '../../src/logger.ts';
import { createBridge } from '../../src/nats/bridge.ts';
import { createReceiver } from '../../src/relay/receiver.ts';
import { createSequencer } from '../../src/sequencer/sequencer.ts';
import { createCable } from '../helpers/cable.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/database.ts';
import {
  holdsPositions,
  makeEventStream,
  natsTest,
  readStream,
  type TestNats,
  untilPosition,
} from '../helpers/nats.ts';
import { withNats } from '../helpers/nats_scene.ts';
import { createRandom } from '../helpers/random.ts';
import { until } from '../helpers/until.ts';

const logger = createLogger({ level: 'silent', pretty: false });

/** The event path of an instance, and a bridge that believes that it is always its turn. */
async function startTwin({ url, pool }: TestDatabase, nats: TestNats) {
  const service = 'taskwire';
  const receiver = await createReceiver({ pool, url, service, logger });
  const sequencer = createSequencer({
    url,
    service,
    doorbell: receiver.doorbell,
    leads: receiver.relay.catchUp,
    numbered: receiver.relay.take,
    clean: async () => null,
    logger,
  });
  await receiver.start();
  await sequencer.start();
  let published = 0;
  const bridge = createBridge({
    ...receiver,
    service,
    isCurrent: () => true,
    exclusive: async (work, until) => work(until),
    published: () => published++,
    logger,
  });
  const stop = new AbortController();
  const serving = bridge.serve(nats.connection, stop.signal);
  return {
    incident: bridge.incident,
    published: () => published,
    end: async () => {
      stop.abort();
      await serving;
      await sequencer.stop();
      await receiver.stop();
    },
  };
}

natsTest(
  'two who both believe that it is their turn, under random writers: each position once, in order',
  withNats(async (t, { nats, database, insert }) => {
    const random = createRandom(t.log);
    await makeEventStream(nats, { duplicate_window: 100_000_000 });
    const twins = [await startTwin(database, nats), await startTwin(database, nats)];
    let head = 0;
    for (let round = 0; round < 40; round++) {
      const count = 1 + random.below(60);
      await insert(count);
      head += count;
      if (random.chance(0.3)) await untilPosition(nats, head);
      if (random.chance(0.15)) {
        const index = random.below(2);
        await twins[index]?.end();
        twins[index] = await startTwin(database, nats);
      }
    }
    await untilPosition(nats, head);
    await holdsPositions(t, nats, { through: head });
    t.log(`published by each: ${twins.map(duplicate => duplicate.published()).join(', ')} of ${head}`);
    for (const duplicate of twins) await duplicate.end();
  }),
);

natsTest(
  'what was on its way when the connection stalled comes late, and the server refuses what it has by then',
  withNats(async (t, { nats, start, insert }) => {
    await makeEventStream(nats, { duplicate_window: 100_000_000 });
    const cable = await createCable(new URL(nats.url));
    const late = await start({ NATS_URL: cable.through(nats.url) });
    await insert(1);
    await untilPosition(nats, 1);
    cable.stall();
    await insert(300); // written to a connection on which nothing comes through
    await start(); // another candidate, on a good connection
    await until(async () => (await nats.manager.streams.info('taskwire_events')).state.messages === 1);
    await late.stop(); // its lock is free
    await untilPosition(nats, 301);
    await insert(10);
    cable.unstall(); // what had been sent is sent on
    await insert(10);
    await untilPosition(nats, 321);
    await holdsPositions(t, nats, { through: 321 });
    cable.cut();
  }),
);

natsTest(
  'two databases that both believe to be the one: both stop, and say so, rather than to mix their events unnoticed',
  withNats(async (t, { nats, database, insert }) => {
    const random = createRandom(t.log);
    await makeEventStream(nats, { duplicate_window: 100_000_000 });
    const other = await createTestDatabase();
    const psql = await other.psql();
    const twins = [await startTwin(database, nats), await startTwin(other, nats)];
    const stopped = () => twins.filter(duplicate => duplicate.incident.needsOperator).length;
    for (let round = 0; round < 20; round++) {
      const tasks = `SELECT 'other' FROM generate_series(1, $1::integer)`;
      await Promise.all([
        insert(1 + random.below(300)),
        psql.query(`INSERT INTO tasks (title) ${tasks}`, [1 + random.below(300)]),
      ]);
    }
    await until(() => stopped() > 0);
    const found = await readStream(nats);
    const isMixed = new Set(found.map(({ log }) => log)).size > 1;
    t.log(isMixed ? 'mixed' : 'one was alone');
    if (isMixed) await until(() => stopped() === 2); // whoever was alone goes on
    t.deepEqual(
      found.map(({ id }) => Number(id)),
      found.map((_, index) => index + 1),
    );
    for (const duplicate of twins) await duplicate.end();
    await other.drop();
  }),
);

natsTest('the server keeps to the last sequence for ever, and to ids for a moment only', async t => {
  await withNats(async (_, { nats }) => {
    await makeEventStream(nats, { duplicate_window: 100_000_000 });
    const publish = (id: number, expect: object) =>
      nats.client.publish('taskwire.events.tasks.x', 'x', { msgID: String(id), expect, headers: headers() });
    await publish(1, { lastSequence: 0 });
    await t.throwsAsync(publish(2, { lastSequence: 0 }), { message: /wrong last sequence: 1/ });
    await publish(2, { lastSequence: 1 });
    // The answer for an id that it remembers comes before the look at the sequence, and says nothing of the content.
    t.like(await publish(1, { lastSequence: 99 }), { duplicate: true, seq: 1 });
    await nats.manager.streams.purge('taskwire_events');
    t.like(await publish(2, { lastSequence: 2 }), { duplicate: true, seq: 2 });
    await until(async () => !(await publish(2, { lastSequence: 2 })).duplicate); // its window is over
    await nats.end('SIGKILL');
    await nats.start();
    await until(
      () =>
        publish(3, { lastSequence: 2 }).then(
          () => true,
          () => undefined,
        ),
      () => true,
    );
    await until(
      async () => (await nats.manager.streams.info('taskwire_events').catch(() => undefined)) !== undefined,
    );
    await t.throwsAsync(publish(4, { lastMsgID: '2' }), { message: /wrong last msg ID/ });
    t.like(await publish(4, { lastSequence: 3 }), { duplicate: false, seq: 4 });
  })(t);
});
