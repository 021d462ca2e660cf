// Rates in: what other services publish is in the database once, the newest last, and what is none is kept and told.
import type pg from 'pg';
import { INGEST, natsTest, readStream, tell, USD, untilPosition, untilTaken } from '../helpers/nats.ts';
import { readMetric, withNats } from '../helpers/nats_scene.ts';
import { createRandom } from '../helpers/random.ts';
import { readValue } from '../helpers/sql.ts';

async function rateOf(psql: pg.Client, currency: string): Promise<unknown> {
  const { rows } = await psql.query(
    `SELECT rate::text, name, source, rate_date::text, feed.rfc3339("timestamp") AS timestamp
     FROM currencies WHERE currency = $1`,
    [currency],
  );
  return rows[0];
}

async function rejected(psql: pg.Client) {
  const { rows } = await psql.query('SELECT * FROM rejected_messages ORDER BY sequence');
  return rows;
}

natsTest(
  'a rate becomes a currency, then a change of it, each an event of origin nats that goes out again',
  withNats(async (t, { nats, psql, start }) => {
    const instance = await start();
    await tell(nats, USD);
    await tell(nats, { ...USD, rate: 84, timestamp: '2026-11-02T12:00:00.123456789+03:00', name: 'Dollar' });
    await untilPosition(nats, 2);
    t.deepEqual(await rateOf(psql, 'USD'), {
      rate: '84',
      name: 'Dollar',
      source: 'nats',
      rate_date: '2026-11-02',
      timestamp: '2026-11-02T09:00:00.123457Z',
    });
    const events = (await readStream(nats)).map(({ subject, body }) => ({ ...JSON.parse(body), subject }));
    t.like(events[0], {
      subject: 'taskwire.events.currencies.currency_created',
      origin: 'nats',
      requestid: null,
      data: { currency: { name: 'USD', rate: '83.51', timestamp: '2026-11-01T12:00:00.000000Z' } },
    });
    t.like(events[1], { type: 'currency_updated', origin: 'nats', data: { previous: { rate: '83.51' } } });
    await untilTaken(nats);
    t.is(await readMetric(instance, 'taskwire_nats_ingested_total{outcome="created"}'), 1);
    t.is(await readMetric(instance, 'taskwire_nats_ingested_total{outcome="updated"}'), 1);
  }),
);

natsTest(
  'an older rate changes nothing, the same one again neither: no event; a newer one keeps the name',
  withNats(async (t, { nats, psql, start }) => {
    await start();
    await tell(nats, { ...USD, name: 'Dollar' });
    await tell(nats, { ...USD, rate: '1', timestamp: '2026-11-01T11:59:59.999999Z' });
    await tell(nats, USD);
    await tell(nats, { ...USD, rate: '2' }); // of the same time: the first stands
    await untilTaken(nats);
    t.like(await rateOf(psql, 'USD'), { rate: '83.51', name: 'Dollar' });
    await tell(nats, { ...USD, timestamp: '2026-11-01T12:00:00.000001Z' });
    await untilTaken(nats);
    t.like(await rateOf(psql, 'USD'), { name: 'Dollar', timestamp: '2026-11-01T12:00:00.000001Z' });
    t.is(await readValue(psql, 'SELECT count(*)::integer FROM feed.staged'), 2);
  }),
);

natsTest(
  'in whatever order rates come, and however often, on several instances, the newest stands in the end',
  withNats(async (t, { nats, psql, start }) => {
    const random = createRandom(t.log);
    await Promise.all([start(), start()]);
    const told = Array.from({ length: 300 }, (_, index) => ({
      currency: random.pick(['USD', 'EUR', 'CNY']),
      rate: String(index + 1),
      timestamp: new Date(Date.parse('2026-11-01T00:00:00Z') + random.below(200) * 1_000).toISOString(),
    }));
    for (const message of told) if (random.chance(0.5)) told.push(message);
    await Promise.all(told.map(message => tell(nats, message)));
    await untilTaken(nats);
    for (const currency of new Set(told.map(message => message.currency))) {
      const times = told.filter(message => message.currency === currency).map(({ timestamp }) => timestamp);
      const newest = times.toSorted().at(-1);
      t.like(await rateOf(psql, currency), { timestamp: newest?.replace('Z', '000Z') }, currency);
    }
    t.deepEqual((await psql.query('SELECT * FROM feed.verify()')).rows, []);
  }),
);

const BAD: Record<string, [unknown, RegExp]> = {
  'no JSON': ['{"currency": "USD"', /^it is not JSON$/],
  'not UTF-8': [Uint8Array.of(0x22, 0xff, 0x22), /^it is not JSON$/],
  empty: ['', /^it is not JSON$/],
  'a key twice': [
    '{"currency":"USD","rate":"1","rate":"2","timestamp":"2026-01-01T00:00:00Z"}',
    /^rate stands twice$/,
  ],
  'no object': [[USD], /^it must be a JSON object$/],
  'nothing in it': [{}, /^currency is required; rate is required; timestamp is required$/],
  'a code of two letters': [{ ...USD, currency: 'US' }, /^currency must be three letters/],
  'no rate': [{ ...USD, rate: 'NaN' }, /^rate must be a decimal/],
  'a rate of nothing': [{ ...USD, rate: '0.00' }, /^rate must be greater than 0$/],
  'a rate with an exponent': [{ ...USD, rate: '1e5' }, /^rate must be a decimal/],
  'more digits than a number of JSON has': [
    '{"currency":"USD","rate":1.2345678901234567,"timestamp":"2026-11-01T12:00:00Z"}',
    /^rate must be a decimal/,
  ],
  'a day that is none': [{ ...USD, timestamp: '2026-02-30T00:00:00Z' }, /^timestamp must be a day/],
  'a time without an offset': [{ ...USD, timestamp: '2026-11-01T12:00:00' }, /^timestamp must be a time/],
  'a time to come': [{ ...USD, timestamp: '9000-01-01T00:00:00Z' }, /^timestamp must not be more than a day/],
  'a field that nobody knows': [{ ...USD, rates: 1, 'a\0b': 2 }, /^rates, a.b is not known here$/],
  'a name of nothing': [{ ...USD, name: ' \n ' }, /^name must have 1 to 200 characters$/],
  'a rule of the database': [
    { ...USD, currency: 'RUB', rate: '2' },
    /^rate must be 1: rates are in roubles$/,
  ],
};

natsTest(
  'a bad message is kept with its reason, byte by byte, and not sent again; the good one behind it comes in',
  withNats(async (t, { nats, psql, start }) => {
    const instance = await start();
    for (const [body] of Object.values(BAD)) await tell(nats, body);
    await tell(nats, USD);
    await untilTaken(nats);
    t.like(await rateOf(psql, 'USD'), { rate: '83.51' });
    const kept = await rejected(psql);
    t.is(kept.length, Object.keys(BAD).length);
    for (const [index, [name, [body, reason]]] of Object.entries(BAD).entries()) {
      const sent = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
      t.deepEqual(kept[index].payload, Buffer.from(sent), name);
      t.regex(kept[index].reason, reason, name);
      t.like(kept[index], {
        subject: INGEST,
        stream: 'taskwire_ingest',
        payload_size: kept[index].payload.length,
      });
    }
    t.is(await readMetric(instance, 'taskwire_nats_ingested_total{outcome="rejected"}'), kept.length);
  }),
);

natsTest(
  'of a bad message as large as NATS takes, the first 64 KiB are kept',
  withNats(async (t, { nats, psql, start }) => {
    await start();
    await tell(nats, 'x'.repeat(1_000_000));
    await untilTaken(nats);
    const [{ payload, payload_size: size }] = await rejected(psql);
    t.deepEqual([payload.length, size], [65_536, 1_000_000]);
  }),
);
