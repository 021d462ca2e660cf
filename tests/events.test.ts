// The envelope: valid JSON, equal to the contract's, whatever the strings in it are.
import test from 'ava';
import { type LogRow, toEvent } from '../src/events.ts';

const ROW: LogRow = {
  position: 1042,
  topic: 'tasks',
  type: 'task_updated',
  subject: '0198c0de-0000-7000-8000-000000000000',
  time: '2026-11-23T05:38:12.345678Z',
  origin: 'psql',
  transaction: '7351',
  actor: null,
  requestid: null,
  data: '{"id" : "0198c0de-0000-7000-8000-000000000000", "title" : "x", "version" : 4}',
  previous: '{"title" : "y", "version" : 3}',
  entity: null,
};

const HOSTILE = [
  '"',
  '\\',
  '"},{"',
  '\u0000\u001f\u007f',
  '\u2028\u2029',
  '</script>',
  '__proto__',
  '\ud83d\ude00',
  '\ud800',
];

test('an update is the contract’s CloudEvent, with what was there before', t => {
  t.deepEqual(JSON.parse(toEvent(ROW).json), {
    specversion: '1.0',
    id: '1042',
    position: 1042,
    type: 'task_updated',
    source: '/tasks',
    subject: ROW.subject,
    time: ROW.time,
    datacontenttype: 'application/json',
    origin: 'psql',
    transaction: '7351',
    actor: null,
    requestid: null,
    data: { task: { id: ROW.subject, title: 'x', version: 4 }, previous: { title: 'y', version: 3 } },
  });
});

test('its members stand in the contract’s order', t => {
  t.is(
    Object.keys(JSON.parse(toEvent(ROW).json)).join(' '),
    'specversion id position type source subject time datacontenttype origin actor transaction requestid data',
  );
});

test('without a previous state there is no such member', t => {
  const { data } = JSON.parse(toEvent({ ...ROW, type: 'task_deleted', previous: null }).json);
  t.deepEqual(Object.keys(data), ['task']);
});

test('the data is called after the entity, whose name may have several words', t => {
  for (const [type, entity] of [
    ['run_succeeded', 'run'],
    ['currency_created', 'currency'],
    ['purchase_order_deleted', 'purchase_order'],
  ]) {
    t.deepEqual(Object.keys(JSON.parse(toEvent({ ...ROW, type: type ?? '', previous: null }).json).data), [
      entity,
    ]);
  }
});

test('an entity that the log tells is not guessed', t => {
  const event = toEvent({ ...ROW, type: 'job_in_progress', entity: 'job', previous: null });
  t.deepEqual(Object.keys(JSON.parse(event.json).data), ['job']);
});

test('no string can break out of its place', t => {
  for (const text of HOSTILE) {
    const event = JSON.parse(toEvent({ ...ROW, topic: text, subject: text, requestid: text }).json);
    t.deepEqual(
      [event.source, event.subject, event.requestid],
      [`/${text}`, text, text],
      JSON.stringify(text),
    );
    const row = JSON.stringify({ title: text, [text]: 1 });
    const { data } = JSON.parse(toEvent({ ...ROW, data: row, previous: row }).json);
    t.is(JSON.stringify(data), `{"task":${row},"previous":${row}}`);
  }
});

test('the row goes in as the database rendered it, digit for digit', t => {
  const data = '{"rate" : "83.51730", "big" : 12345678901234567890.10, "same" : 1, "same" : 2}';
  t.true(toEvent({ ...ROW, data }).json.includes(`"data":{"task":${data},`));
});

test('what the hub needs to choose by stands beside the text', t => {
  const { json, ...rest } = toEvent(ROW);
  const { subject, time } = ROW;
  const chosenBy = { position: 1042, topic: 'tasks', type: 'task_updated', subject, time };
  t.deepEqual(
    rest,
    { ...chosenBy, isWithheld: false, frame: undefined },
    'and it has no frame before a socket needs one',
  );
  t.is(typeof json, 'string');
});
