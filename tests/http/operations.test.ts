// Operations are data: what they say is what is checked and answered, and can be written down as JSON Schema.
import test from 'ava';
import { z } from 'zod';
import { createEventOperations } from '../../src/delivery/event_operations.ts';
import { CATALOGUE } from '../../src/errors.ts';
import { createCurrencyOperations } from '../../src/http/currencies/currency_operations.ts';
import { Problem } from '../../src/http/middleware/problems.ts';
import { createRunOperations } from '../../src/http/runs/run_operations.ts';
import { createMetricsOperations } from '../../src/http/system/metrics_operations.ts';
import { ANYBODY } from '../../src/web/access.ts';
import { type Operation, operation, refusalsOf } from '../../src/web/operation.ts';
import { parameter, wholeNumber } from '../../src/web/query.ts';
import { logger } from '../fixtures/generator.ts';
import { withApi } from '../helpers/http.ts';
import { emptyFeed } from '../helpers/socket_app.ts';

const small = wholeNumber({ from: 1, to: 9, digits: 1, error: 'must be a number from 1 to 9' });
const probe = operation({
  id: 'probe',
  method: 'post',
  path: '/probes/{id}',
  summary: 'Answers with what it was given.',
  tag: 'probes',
  access: ['tasks:write'],
  params: z.object({ id: z.string().regex(/^\d+$/, { error: 'there is no such probe' }).transform(Number) }),
  query: z.strictObject({ size: parameter(small).default(5) }),
  headers: z.object({ Depth: z.string().regex(/^\d$/, 'must be a digit').transform(Number).optional() }),
  body: { schema: z.strictObject({ name: z.string('must be a string') }), types: ['application/json'] },
  answers: { 200: { description: 'What was given.', schema: z.object({ sum: z.int(), name: z.string() }) } },
  handle(ctx, input) {
    const { id, size, depth, name } = {
      ...input.params,
      ...input.query,
      ...input.body,
      depth: input.headers.Depth,
    };
    ctx.body = { sum: id + size + (depth ?? 0), name: name.toUpperCase() };
  },
});

const GENERATOR = {
  of: {
    kind: 'task_generator',
    sources: [{ name: 'sample', url: null }],
    cron: '*/15 * * * *',
    nextRunAt: () => undefined,
  },
  path: '/task-generator',
  requests: ['/task-generator/run'],
};

const api = withApi(test, {
  access: {
    isAsked: true,
    identify: async ({ headers }) => (headers.stranger ? { ...ANYBODY, scopes: [] } : ANYBODY),
  },
  operations: pool => [
    probe,
    ...createRunOperations({ pool, ...GENERATOR }),
    ...createCurrencyOperations({ pool }),
    ...createEventOperations(emptyFeed(logger)),
    ...createMetricsOperations({ scrape: async () => ({ type: 'text/plain', text: '' }) }),
  ],
});

const inputOf = (schema: z.ZodType) => z.toJSONSchema(schema, { target: 'draft-2020-12', io: 'input' });
const outputOf = (schema: z.ZodType) => z.toJSONSchema(schema, { target: 'draft-2020-12' });

// biome-ignore lint/suspicious/noExplicitAny: a test says itself what it expects in there
function propertiesOf(schema: z.ZodType = z.never()): Record<string, any> {
  const { $ref, $defs, properties } = inputOf(schema);
  return (properties ?? $defs?.[$ref?.split('/').pop() ?? '']?.properties) as Record<string, object>;
}

function find(id: string): Operation {
  const found = api.operations.find(each => each.id === id);
  if (!found) throw new Error(`there is no operation ${id}`);
  return found;
}

test('an operation gets what came in as its schemas make it', async t => {
  const { body } = await api.send('POST', '/probes/10?size=7', { name: 'a' }, { Depth: '3' });
  t.deepEqual(body, { sum: 20, name: 'A' });
  t.deepEqual((await api.send('POST', '/probes/10', { name: 'b' })).body, { sum: 15, name: 'B' });
});

test('what is wrong is looked at in one order: who asks, the path, the query, the headers, the body', async t => {
  const headers: Record<string, string> = { Stranger: 'yes', Depth: 'x', 'Content-Type': 'text/plain' };
  const ask = (path: string) => api.send('POST', path, {}, headers);
  t.is((await ask('/probes/x?size=0')).status, 403);
  delete headers.Stranger;
  t.like((await ask('/probes/x?size=0')).body, { status: 404, detail: 'there is no such probe' });
  t.like((await ask('/probes/1?size=0')).body, { status: 400, errors: [{ path: 'size' }] });
  t.like((await ask('/probes/1')).body, { status: 400, errors: [{ path: 'Depth' }] });
  delete headers.Depth;
  t.is((await ask('/probes/1')).status, 415);
  headers['Content-Type'] = 'application/json';
  t.like((await ask('/probes/1')).body, { status: 422, errors: [{ path: '/name' }] });
});

test('an id names one operation, and every part of a path is described', t => {
  const ids = api.operations.map(each => each.id);
  t.deepEqual(ids, [...new Set(ids)]);
  for (const { id, path, params } of api.operations) {
    const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    t.deepEqual(Object.keys(params?.shape ?? {}), named, id);
  }
});

test('every schema of every operation can be written as JSON Schema', t => {
  for (const { id, params, query, headers, body, answers } of api.operations) {
    for (const schema of [params, query, headers, body?.schema])
      if (schema) t.notThrows(() => inputOf(schema), id);
    for (const { schema } of Object.values(answers)) if (schema) t.notThrows(() => outputOf(schema), id);
  }
  // Two schemas of one id would be one component.
  const answered = api.operations.flatMap(({ answers }) => Object.values(answers));
  const schemas = new Set(answered.flatMap(({ schema }) => schema ?? []));
  t.notThrows(() => outputOf(z.union([...schemas, Problem])));
});

test('the rules of a task are in its JSON Schema', t => {
  for (const id of ['create_task', 'update_task']) {
    const properties = propertiesOf(find(id).body?.schema);
    t.like(properties.title, { type: 'string', minLength: 1, maxLength: 200 });
    t.like(properties.description.anyOf[0], { type: 'string', maxLength: 10_000 });
    t.like(properties.due_at.anyOf[0], { type: 'string', format: 'date-time' });
    t.deepEqual(properties.status.enum, ['todo', 'in_progress', 'done']);
    t.deepEqual(properties.priority.enum, ['low', 'normal', 'high', 'urgent']);
    t.like(properties.labels, { type: 'array', maxItems: 20, uniqueItems: true });
    t.deepEqual(properties.labels.items, { type: 'string', minLength: 1, maxLength: 50 });
  }
});

test('a parameter is a list of its values in JSON Schema: of one, unless it may be repeated', t => {
  const { limit } = propertiesOf(find('list_tasks').query);
  t.like(limit, { type: 'array', minItems: 1, maxItems: 1 });
  t.deepEqual(limit.items, { type: 'integer', minimum: 1, maximum: 200, default: 50 });
  const events = propertiesOf(find('list_events').query);
  t.like(events.type, { type: 'array', maxItems: 100 });
  t.like(events.type.items, { type: 'string', minLength: 1, maxLength: 1_000 });
  t.like(events.after.items, { type: 'integer', minimum: 0 });
  t.like(events.log.items, { type: 'string', format: 'uuid' });
});

test('an operation tells every error that it can answer', t => {
  const refusals = refusalsOf(find('update_task'));
  for (const code of ['malformed', 'not_found', 'stale', 'unsupported_media_type', 'invalid'] as const)
    t.true(refusals.includes(code), code);
  t.false(refusalsOf(find('list_tasks')).includes('too_large'));
  for (const each of api.operations) t.true(refusalsOf(each).every(code => code in CATALOGUE));
});
