// What is told of an event that came off the stream is what was told of it when it went in.
import test from 'ava';
import { toEvent } from '../../src/events.ts';
import { parseEvent } from '../../src/nats/published_event.ts';
import { logRow } from '../helpers/rows.ts';

test('an event comes off the stream as it went in, whatever its type, topic and subject are called', t => {
  for (const given of [
    {},
    { position: 123_456_789, topic: 'orders', type: 'order_on its way', entity: 'order' },
    { subject: 'a"b\\c', type: 'x_"}\n,"data', topic: 'ü"' },
    { data: '{"note":":null}}"}', previous: '{"a":null}' },
    { actor: '{"id":"1","name":"\\"time\\":"}', requestid: '"' },
    { data: `{"note":"${'x'.repeat(1_000_000)}"}` },
  ]) {
    const event = toEvent(logRow(7, given));
    t.deepEqual(parseEvent(event.json), event);
  }
});

test('what cannot be given on as it is is read from the log: no event, a part of one, one without data', t => {
  const { json } = toEvent(logRow(7));
  for (const text of ['', '{}', 'hello', json.slice(0, -3), json.replace('"id":"7"', '"id":"8"')])
    t.is(parseEvent(text), undefined, text);
  t.is(parseEvent(toEvent(logRow(7, { data: null })).json), undefined);
});
