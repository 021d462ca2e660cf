// The documents say what there is: neither more nor less.
import anyTest, { type TestFn } from 'ava';
import { describeHttp } from '../../src/api_docs/openapi.ts';
import { CATALOGUE } from '../../src/errors.ts';
import { refusalsOf } from '../../src/web/operation.ts';
import { conformanceAt, conformTo, type Document } from '../helpers/conformance.ts';
import { ownApi } from '../helpers/http.ts';
import { type Context, withInstance } from '../helpers/instance.ts';

const test = anyTest as TestFn<Context>;
withInstance(test);

async function load(address: string, name: string): Promise<Document> {
  return (await fetch(`${address}/${name}.json`)).json();
}

test('what Koa routes is what the OpenAPI document has, path by path and method by method', async t => {
  const api = await ownApi(t);
  const { paths } = describeHttp(api.operations, { version: '0', asksForToken: false });
  const documented = Object.entries(paths).flatMap(([path, item]) =>
    Object.keys(item).flatMap(method => {
      const route = `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`;
      return method === 'get' ? [route, route.replace('GET', 'HEAD')] : [route];
    }),
  );
  t.true(documented.length > 10);
  t.deepEqual(api.routes.toSorted(), documented.toSorted());
});

test('OPTIONS of every documented path lists its documented methods', async t => {
  const { address } = t.context.instance;
  const { document, find } = await conformanceAt(address);
  for (const path of Object.keys(document.paths)) {
    const target = path.replaceAll(/\{\w+\}/g, 'x');
    const { status, headers } = await fetch(`${address}${target}`, { method: 'OPTIONS' });
    t.is(status, 204, path);
    const documented = ['DELETE', 'GET', 'HEAD', 'PATCH', 'POST', 'PUT'].filter(method =>
      find(method, target),
    );
    t.deepEqual(headers.get('allow')?.split(', '), [...documented, 'OPTIONS'].sort(), path);
  }
});

test('every operation has its name, its summary and every error that it can answer', async t => {
  const { paths, components } = await load(t.context.instance.address, 'openapi');
  const api = await ownApi(t);
  for (const each of api.operations) {
    const documented = paths[each.path][each.method];
    t.is(documented.operationId, each.id);
    t.is(documented.summary, each.summary);
    for (const code of refusalsOf(each)) {
      const response = documented.responses[CATALOGUE[code].status];
      const { content } = response.$ref ? components.responses[response.$ref.split('/').pop()] : response;
      t.truthy(content['application/problem+json'].examples[code], `${each.id} ${code}`);
    }
  }
});

test('every example fits its schema', async t => {
  const document = await load(t.context.instance.address, 'openapi');
  const { components, paths } = document;
  const { check } = conformTo(document);
  const headers = new Headers({
    'Content-Type': 'application/problem+json',
    'X-Request-Id': '1',
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  });
  let count = 0;
  for (const [path, item] of Object.entries<Document>(paths))
    for (const [method, { responses }] of Object.entries<Document>(item))
      for (const [status, each] of Object.entries<Document>(responses)) {
        const { content = {} } = each.$ref ? components.responses[each.$ref.split('/').pop()] : each;
        for (const { value } of Object.values<Document>(
          content['application/problem+json']?.examples ?? {},
        )) {
          count++;
          const exchange = { method, path, status: Number(status), headers, body: JSON.stringify(value) };
          t.notThrows(() => check(exchange));
        }
      }
  t.true(count > 100);
});

test('a parameter is what one writes: a list only where it may be repeated', async t => {
  const { paths } = await load(t.context.instance.address, 'openapi');
  const find = (path: string, name: string) =>
    paths[path].get.parameters.find((each: Document) => each.name === name);
  t.like(find('/tasks', 'limit'), {
    in: 'query',
    required: false,
    schema: { type: 'integer', minimum: 1, maximum: 200, default: 50 },
  });
  t.like(find('/events', 'type').schema, { type: 'array', maxItems: 100 });
  t.like(find('/tasks/{id}', 'id'), { in: 'path', required: true, schema: { type: 'string' } });
  t.like(find('/tasks/{id}', 'If-None-Match'), { in: 'header', required: false });
});

// openapi-python-client leaves an answer out whose schema merges others, and an operation with a header that is no text:
// then a 404 is None. openapi-typescript wants of the client what has a default.
test('the document has nothing that generators of clients stumble over', async t => {
  const { paths, components } = await load(t.context.instance.address, 'openapi');
  t.false(JSON.stringify({ paths, components }).includes('"allOf"'));
  for (const [path, item] of Object.entries<Document>(paths))
    for (const { operationId, parameters, responses } of Object.values<Document>(item)) {
      for (const each of parameters.filter((each: Document) => each.in === 'header'))
        t.is(each.schema.type, 'string', `${operationId} ${each.name}`);
      for (const [status, each] of Object.entries<Document>(responses)) {
        const { content = {} } = each.$ref ? components.responses[each.$ref.split('/').pop()] : each;
        const problem = content['application/problem+json'];
        if (problem)
          t.deepEqual(problem.schema, { $ref: '#/components/schemas/Problem' }, `${path} ${status}`);
      }
    }
  t.deepEqual(components.schemas.NewTask.required, ['title']);
  for (const property of Object.values<Document>(components.schemas.NewTask.properties))
    t.false('default' in property);
});

test('the data of an event is known by its type, and fits one of the kinds of events only', async t => {
  const { components } = await load(t.context.instance.address, 'openapi');
  const { oneOf, discriminator } = components.schemas.Event;
  t.deepEqual(
    oneOf.map(({ $ref }: Document) => $ref.split('/').pop()),
    ['TaskEvent', 'CurrencyEvent', 'RunEvent', 'OtherEvent'],
  );
  t.is(discriminator.mapping.task_updated, '#/components/schemas/TaskEvent');
  t.is(discriminator.mapping.run_failed, '#/components/schemas/RunEvent');
  t.is(components.schemas.TaskEvent.properties.data.properties.task.$ref, '#/components/schemas/Task');
  t.deepEqual(components.schemas.OtherEvent.properties.type.not.enum, Object.keys(discriminator.mapping));
});

test('PATCH takes both of its media types', async t => {
  const { paths } = await load(t.context.instance.address, 'openapi');
  t.deepEqual(Object.keys(paths['/tasks/{id}'].patch.requestBody.content), [
    'application/merge-patch+json',
    'application/json',
  ]);
});

test('the AsyncAPI document has every event of every topic that REST shows, with the same row', async t => {
  const { components, channels } = await load(t.context.instance.address, 'asyncapi');
  const rest = await load(t.context.instance.address, 'openapi');
  const { payload } = components.messages.task_updated;
  t.is(payload.properties.data.properties.task.$ref, '#/components/schemas/Task');
  t.deepEqual(
    Object.keys(components.schemas.Task.properties),
    Object.keys(rest.components.schemas.Task.properties),
  );
  const names = ['task_created', 'task_updated', 'task_deleted'];
  for (const name of names) t.true(name in channels.ws_tasks.messages);
  for (const name of [...names, 'run_queued', 'run_succeeded', 'event', 'reset'])
    t.true(name in channels.ws_events.messages, name);
  t.false('run_queued' in channels.ws_tasks.messages);
  // Whatever else REST shows, by itself.
  for (const [endpoint, id] of [
    ['ws_currencies', 'currency'],
    ['ws_tasks', 'task'],
  ] as const)
    t.deepEqual(
      Object.keys(channels[endpoint].messages).filter(name => name.startsWith(`${id}_`)),
      [`${id}_created`, `${id}_updated`, `${id}_deleted`],
    );
  t.true('snapshot' in channels.ws_tasks.bindings.ws.query.properties);
  t.truthy(channels.ws_tasks['x-close-codes'][4410]);
  t.is(channels.events_stream.address, '/events/stream');
});

test('a document is not sent again to whoever has it', async t => {
  const { address } = t.context.instance;
  for (const path of ['/openapi.json', '/asyncapi.json']) {
    const first = await fetch(`${address}${path}`);
    const etag = first.headers.get('etag') ?? '';
    t.regex(etag, /^"[\w-]+"$/);
    await first.text();
    const second = await fetch(`${address}${path}`, { headers: { 'If-None-Match': etag } });
    t.is(second.status, 304);
    t.is(second.headers.get('etag'), etag);
  }
});

test('a schema that is called like another one is a mistake that shows at once', async t => {
  const { createSchemas } = await import('../../src/api_docs/json_schema.ts');
  const { z } = await import('zod');
  const schemas = createSchemas('draft-2020-12');
  schemas.output(z.object({ a: z.int() }).meta({ id: 'Twin' }));
  t.notThrows(() => schemas.output(z.object({ a: z.int() })));
  t.throws(() => schemas.output(z.array(z.object({ b: z.int() }).meta({ id: 'Twin' }))), {
    message: /Twin/,
  });
});
