// A time is read by one rule, wherever it comes from: what is finer than a microsecond is rounded to the nearest one.
import test from 'ava';
import { toItem } from '../../src/jobs/generator/source.ts';
import { readRateMessage } from '../../src/nats/rate_message.ts';
import { timestamp } from '../../src/parsing/timestamp.ts';
import { readPositionAt } from '../../src/queries/history.ts';
import { importItem } from '../../src/queries/imports.ts';
import { storeRate } from '../../src/queries/ingest.ts';
import { startTestApi } from '../helpers/http.ts';
import { readValue, sequence } from '../helpers/sql.ts';

const NEAREST: Record<string, string> = {
  '2026-01-01T00:00:00.1234564Z': '2026-01-01T00:00:00.123456Z',
  '2026-01-01T00:00:00.1234566Z': '2026-01-01T00:00:00.123457Z',
  '2026-01-01T00:00:00.123456789Z': '2026-01-01T00:00:00.123457Z',
  '2026-01-01T05:30:00.0000009+05:30': '2026-01-01T00:00:00.000001Z',
  '2025-12-31T23:59:59.9999999Z': '2026-01-01T00:00:00.000000Z',
};

test('a time’s seventh digit is rounded alike by REST, NATS, a source of tasks and psql', async t => {
  const api = await startTestApi();
  t.teardown(api.close);
  const told: Record<string, (text: string, index: number) => Promise<string>> = {
    REST: async text => (await api.send('POST', '/tasks', { title: 'x', due_at: text })).body.due_at,
    NATS: async (text, index) => {
      const currency = `AA${'ABCDE'[index]}`;
      const read = readRateMessage(Buffer.from(JSON.stringify({ currency, rate: '1', timestamp: text })));
      if (!('message' in read)) return read.fault;
      await storeRate(api.pool, read.message);
      return readValue(
        api.psql,
        `SELECT feed.rfc3339("timestamp") FROM currencies WHERE currency = '${currency}'`,
      );
    },
    source: async (text, index) => {
      const item = toItem(String(index), { title: 'x', due_at: text });
      if ('refused' in item) return item.refused;
      await importItem(api.psql, 'sample', item);
      return readValue(api.psql, `SELECT feed.rfc3339(due_at) FROM tasks WHERE external_id = '${index}'`);
    },
    psql: async text => readValue(api.psql, `SELECT feed.rfc3339('${text}')`),
  };
  for (const [index, [text, nearest]] of Object.entries(NEAREST).entries())
    for (const [channel, tell] of Object.entries(told)) t.is(await tell(text, index), nearest, channel);
});

test('a filter and as_of mean the nearest microsecond, too', async t => {
  const api = await startTestApi();
  t.teardown(api.close);
  await api.send('POST', '/tasks', { title: 'x', due_at: '2026-01-01T00:00:00.000005Z' });
  const found = async (filter: string) => (await api.send('GET', `/tasks?${filter}`)).body.data.length;
  t.is(await found('due_before=2026-01-01T00:00:00.0000054Z'), 0); // …05
  t.is(await found('due_before=2026-01-01T00:00:00.0000056Z'), 1); // …06
  t.is(await found('due_after=2026-01-01T00:00:00.0000044Z'), 1);
  t.is(await found('due_after=2026-01-01T00:00:00.0000046Z'), 0);
  await sequence(api.psql);
  const at = await readValue<string>(api.psql, 'SELECT feed.rfc3339(max(at)) FROM feed.event_batches');
  t.is(await readPositionAt(api.pool, at), 1);
  t.is(await readPositionAt(api.pool, at.replace('Z', '4Z')), 1);
  const before = await readValue<string>(
    api.psql,
    `SELECT feed.rfc3339(max(at) - interval '1 microsecond') FROM feed.event_batches`,
  );
  t.is(await readPositionAt(api.pool, before.replace('Z', '4Z')), 0);
  t.is(await readPositionAt(api.pool, before.replace('Z', '6Z')), 1);
});

test('what no channel takes, none does', t => {
  const message = (timestamp: string) =>
    readRateMessage(Buffer.from(JSON.stringify({ currency: 'USD', rate: '1', timestamp })));
  for (const text of [
    '2026-01-01T00:00:00.1234567891Z', // ten digits
    '2026-02-29T00:00:00Z',
    '2026-01-01T23:59:60Z',
    '2026-01-01T00:00:00+16:00',
    '0000-12-31T00:00:00Z',
    '2026-01-01T00:00:00',
  ]) {
    t.false(timestamp.safeParse(text).success, text);
    t.true('fault' in message(text), text);
    t.true('refused' in toItem('1', { title: 'x', due_at: text }), text);
  }
});

test('a time that the nearest microsecond carries out of its years is refused, as any other beyond them', async t => {
  const api = await startTestApi();
  t.teardown(api.close);
  const { status } = await api.send('POST', '/tasks', { title: 'x', due_at: '9999-12-31T23:59:59.9999999Z' });
  t.is(status, 422);
});
