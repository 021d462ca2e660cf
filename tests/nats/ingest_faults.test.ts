// Rates in while something is amiss: nothing is lost, nothing is kept twice, and nothing comes again for ever.

import { ServiceError } from '../../src/errors.ts';
import { createLogger } from '../../src/logger.ts';
import { createIngest, type IngestOptions } from '../../src/nats/ingest.ts';
import type { DatabasePool } from '../../src/postgres/pool.ts';
import { keepRejected, storeRate } from '../../src/queries/ingest.ts';
import { createCable } from '../helpers/cable.ts';
import { startInstance } from '../helpers/instance.ts';
import { INGEST, natsTest, type TestNats, tell, USD, untilTaken } from '../helpers/nats.ts';
import { readMetric, untilWarnings, withNats } from '../helpers/nats_scene.ts';
import { readValue } from '../helpers/sql.ts';
import { until } from '../helpers/until.ts';

/** An ingest by itself, some of whose parts fail; ends with `end`. */
function startIngest(nats: TestNats, pool: DatabasePool, faults: Partial<IngestOptions>) {
  const outcomes: string[] = [];
  const stop = new AbortController();
  const ingest = createIngest({
    service: 'taskwire',
    store: rate => storeRate(pool, rate),
    keepRejected: message => keepRejected(pool, message),
    ingested: outcome => outcomes.push(outcome),
    logger: createLogger({ level: 'silent', pretty: false }),
    ...faults,
  });
  const serving = ingest.serve(nats.connection, stop.signal);
  return {
    outcomes,
    incident: ingest.incident,
    end: async () => {
      stop.abort();
      await serving;
    },
  };
}

/** Another ingest, until nothing is left to take; it makes the stream if there is none. */
async function startAndEnd(nats: TestNats, pool: DatabasePool): Promise<void> {
  const ingest = startIngest(nats, pool, {});
  const { consumers } = nats.manager;
  await until(
    () => consumers.info('taskwire_ingest', 'taskwire_ingest').catch(() => undefined),
    info => info?.num_pending === 0 && info.num_ack_pending === 0,
  );
  await ingest.end();
}

natsTest(
  'who dies after a bad message was kept, and before it was terminated, leaves it kept once',
  withNats(async (t, { nats, database, psql }) => {
    let died = 0;
    const ingest = startIngest(nats, database.pool, {
      keepRejected: async message => {
        await keepRejected(database.pool, message);
        if (died++ < 2) throw new Error('dead');
      },
    });
    await tell(nats, 'no JSON');
    await untilTaken(nats);
    t.is(died, 3);
    t.is(await readValue(psql, 'SELECT count(*)::integer FROM rejected_messages'), 1);
    await ingest.end();
  }),
);

natsTest(
  'a stream that was made anew counts from 1 again, and its bad messages are others',
  withNats(async (t, { nats, database, psql }) => {
    const ingest = startIngest(nats, database.pool, {});
    await tell(nats, 'first');
    await untilTaken(nats);
    await nats.manager.streams.delete('taskwire_ingest');
    await tell(nats, 'second');
    await untilTaken(nats);
    const { rows } = await psql.query(
      'SELECT convert_from(payload, $1) AS text, sequence FROM rejected_messages ORDER BY sent_at',
      ['UTF8'],
    );
    t.deepEqual(rows, [
      { text: 'first', sequence: '1' },
      { text: 'second', sequence: '1' },
    ]);
    await ingest.end();
  }),
);

natsTest(
  'a message that always fails for a reason nobody knows is kept in the end; the others are not held up',
  withNats(async (t, { nats, database, psql }) => {
    const ingest = startIngest(nats, database.pool, {
      store: async rate => {
        if (rate.currency === 'XXX') throw new TypeError('nobody has foreseen this');
        return storeRate(database.pool, rate);
      },
    });
    await tell(nats, { ...USD, currency: 'XXX' });
    await tell(nats, USD);
    await until(() => ingest.outcomes.includes('created'));
    await untilTaken(nats);
    t.deepEqual(ingest.outcomes, ['created', 'rejected']);
    t.regex(await readValue(psql, 'SELECT reason FROM rejected_messages'), /^it could not be stored/);
    await ingest.end();
  }),
);

natsTest(
  "a rate that the operator's own schema refuses is kept with its words, at its first delivery",
  withNats(async (t, { nats, database, psql }) => {
    await psql.query(`
      CREATE FUNCTION closed() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE EXCEPTION 'no rates on Sundays' USING ERRCODE = CASE NEW.currency WHEN 'EUR' THEN 'MY001' ELSE 'P0001' END;
      END $$;
      CREATE TRIGGER closed BEFORE INSERT ON currencies FOR EACH ROW EXECUTE FUNCTION closed()`);
    const ingest = startIngest(nats, database.pool, {});
    await tell(nats, USD);
    await tell(nats, { ...USD, currency: 'EUR' });
    await untilTaken(nats);
    t.deepEqual(ingest.outcomes, ['rejected', 'rejected']);
    t.is(
      await readValue(psql, `SELECT string_agg(reason, ', ') FROM rejected_messages`),
      'no rates on Sundays, no rates on Sundays',
    );
    await ingest.end();
  }),
);

natsTest(
  'a message that died with one process after the other is stored, though it fails once where it arrives at last',
  withNats(async (t, { nats, database, psql }) => {
    await startAndEnd(nats, database.pool);
    await tell(nats, USD);
    const consumer = await nats.client.consumers.get('taskwire_ingest', 'taskwire_ingest');
    for (let died = 0; died < 7; died++) (await consumer.next())?.nak();
    let failed = 0;
    const ingest = startIngest(nats, database.pool, {
      store: async rate => {
        if (failed++ === 0) throw new TypeError('nobody has foreseen this');
        return storeRate(database.pool, rate);
      },
    });
    await untilTaken(nats);
    await until(() => ingest.outcomes.length > 0);
    t.deepEqual(ingest.outcomes, ['created']);
    t.is(await readValue(psql, 'SELECT count(*)::integer FROM rejected_messages'), 0);
    await ingest.end();
  }),
);

for (const [name, take] of Object.entries({
  'another instance has taken the message': startAndEnd,
  'a person has purged it': (nats: TestNats) => nats.manager.streams.purge('taskwire_ingest'),
})) {
  natsTest(
    `a trouble of one instance is over without another message: ${name}`,
    withNats(async (t, { nats, database }) => {
      const failing = startIngest(nats, database.pool, {
        store: async () => {
          throw new ServiceError('unavailable', 'the database is away');
        },
      });
      await tell(nats, USD);
      await until(() => failing.incident.reason !== undefined);
      await take(nats, database.pool);
      await untilTaken(nats);
      await until(() => failing.incident.reason === undefined);
      t.deepEqual(failing.outcomes, []);
      await failing.end();
    }),
  );
}

natsTest(
  'a trouble with one message lasts until that one is taken, though others come in',
  withNats(async (t, { nats, database }) => {
    let isAway = true;
    const ingest = startIngest(nats, database.pool, {
      store: async rate => {
        if (isAway && rate.currency === 'XXX') throw new ServiceError('timeout', 'its row is locked');
        return storeRate(database.pool, rate);
      },
    });
    await tell(nats, { ...USD, currency: 'XXX' });
    await tell(nats, USD);
    await until(() => ingest.outcomes.length === 1);
    t.regex(ingest.incident.reason ?? '', /^rates do not get in from NATS: its row is locked$/);
    isAway = false;
    await untilTaken(nats);
    await until(() => ingest.incident.reason === undefined);
    await ingest.end();
  }),
);

natsTest(
  'a database that is away is no fault of a message: it comes in when the database is back, however long it took',
  withNats(async (t, { nats, database, psql }) => {
    const cable = await createCable(new URL(database.url));
    const instance = await startInstance(cable.through(database.url), { NATS_URL: nats.url });
    await tell(nats, USD);
    await untilTaken(nats);
    cable.cut();
    await tell(nats, { ...USD, rate: '90', timestamp: '2026-11-02T12:00:00Z' });
    // More often than any message may fail for a fault of its own.
    const consumer = await nats.client.consumers.get('taskwire_ingest', 'taskwire_ingest');
    await until(async () => (await consumer.info()).delivered.consumer_seq > 8);
    const { status } = await fetch(`${instance.address}/health/ready`);
    t.is(status, 503);
    cable.mend();
    await untilTaken(nats);
    t.is(await readValue(psql, `SELECT rate::text FROM currencies`), '90');
    t.is(await readValue(psql, 'SELECT count(*)::integer FROM rejected_messages'), 0);
    await instance.stop();
    cable.cut();
  }),
);

natsTest(
  'NATS killed and started again under two instances: what it had stored comes in once each',
  withNats(async (t, { nats, psql, start }) => {
    const instances = [await start(), await start()];
    const codes = Array.from({ length: 26 }, (_, index) => `AA${String.fromCharCode(65 + index)}`);
    for (const [index, currency] of codes.entries()) {
      await tell(nats, { ...USD, currency });
      if (index % 9 === 4) {
        await nats.end('SIGKILL');
        await nats.start();
      }
    }
    await untilTaken(nats);
    t.is(await readValue(psql, 'SELECT count(*)::integer FROM currencies WHERE version = 1'), codes.length);
    t.is(await readValue(psql, 'SELECT count(*)::integer FROM rejected_messages'), 0);
    const created = await Promise.all(
      instances.map(each => readMetric(each, 'taskwire_nats_ingested_total{outcome="created"}')),
    );
    t.is(
      created.reduce((sum, count) => sum + (count || 0), 0),
      codes.length,
    );
  }),
);

natsTest(
  "an operator's own stream for the subject is used; a consumer that was deleted is made again",
  withNats(async (t, { nats, psql, start }) => {
    await nats.manager.streams.add({ name: 'RATES', subjects: ['taskwire.currencies.*'] });
    await start();
    await tell(nats, USD);
    await until(async () => (await psql.query('SELECT FROM currencies')).rowCount === 1);
    await nats.manager.consumers.delete('RATES', 'taskwire_ingest');
    await tell(nats, { ...USD, currency: 'EUR' });
    await until(async () => (await psql.query('SELECT FROM currencies')).rowCount === 2);
    await t.throwsAsync(nats.manager.streams.info('taskwire_ingest'));
  }),
);

natsTest(
  'a consumer that would give messages up is refused, loudly, and taken once it is right',
  withNats(async (t, { nats, psql, start }) => {
    await nats.manager.streams.add({ name: 'taskwire_ingest', subjects: [INGEST] });
    await nats.manager.consumers.add('taskwire_ingest', {
      durable_name: 'taskwire_ingest',
      ack_policy: 'explicit',
      filter_subject: INGEST,
      max_deliver: 3,
    });
    const instance = await start();
    const { status, warnings } = await untilWarnings(instance, Boolean);
    t.is(status, 'ok');
    t.regex(String(warnings), /consumer taskwire_ingest cannot bring in rates: it must not limit deliveries/);
    await tell(nats, USD);
    await nats.manager.consumers.delete('taskwire_ingest', 'taskwire_ingest');
    await until(async () => (await psql.query('SELECT FROM currencies')).rowCount === 1);
  }),
);
