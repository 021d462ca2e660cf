// Idempotency-Key: whatever is asked twice under one key happens once, on whichever instance, however it ends.
import { once } from 'node:events';
import test, { type ExecutionContext } from 'ava';
import type { Context } from 'koa';
import { z } from 'zod';
import { withKey } from '../../src/http/resources/idempotency.ts';
import type { Connection } from '../../src/postgres/pool.ts';
import { operation } from '../../src/web/operation.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { type Answer, ownApi, type Send, senderTo, type TestApi, withApi } from '../helpers/http.ts';
import { startInstance } from '../helpers/instance.ts';
import { startService } from '../helpers/process.ts';
import { readValue } from '../helpers/sql.ts';
import { until } from '../helpers/until.ts';

const api = withApi(test);

const post = (send: Send, key: string, body: unknown, path = '/tasks') =>
  send('POST', path, body, { 'Idempotency-Key': key });

function seen({ status, headers, body }: Answer) {
  const names = ['location', 'etag', 'content-type', 'cache-control'];
  return { status, body, headers: names.map(name => headers.get(name)) };
}

async function count(title: string): Promise<number> {
  return readValue(api.psql, 'SELECT count(*)::integer FROM tasks WHERE title = $1', [title]);
}

test('the same request under the same key is answered the same and makes nothing new', async t => {
  const task = { title: 'once', labels: ['a'] };
  const first = await post(api.send, 'once', task);
  t.is(first.status, 201);
  t.is(first.headers.get('idempotent-replayed'), null);
  await api.send('PATCH', `/tasks/${first.body.id}`, { title: 'once', status: 'done' });
  const again = await post(api.send, 'once', task);
  t.deepEqual(seen(again), seen(first));
  t.is(again.headers.get('idempotent-replayed'), 'true');
  t.is(await count('once'), 1);
  const events = `SELECT count(*)::integer FROM feed.staged WHERE type = 'task_created' AND subject = $1`;
  t.is(await readValue(api.psql, events, [first.body.id]), 1);
});

test('white space and the order of fields make no other request', async t => {
  const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': 'spaces' };
  const bodies = ['{"title":"spaces","status":"todo"}', ' { "status" : "todo",\n"title": "\\u0073paces" } '];
  for (const body of bodies)
    t.is((await api.request('/tasks', { method: 'POST', headers, body })).status, 201);
  t.is(await count('spaces'), 1);
});

test('another body or another path under the same key is refused', async t => {
  const { body: task } = await post(api.send, 'taken', { title: 'taken' });
  await api.send('DELETE', `/tasks/${task.id}`);
  const others = [
    await post(api.send, 'taken', { title: 'taken!' }),
    await post(api.send, 'taken', undefined, `/tasks/${task.id}/restore`),
  ];
  for (const { status, body } of others) {
    t.is(status, 422);
    t.is(body.errors[0].path, 'Idempotency-Key');
  }
  t.is(await count('taken!'), 0);
});

test('a restoration under a key happens once', async t => {
  const { body: task } = await api.send('POST', '/tasks', { title: 'back' });
  const path = `/tasks/${task.id}/restore`;
  t.is((await post(api.send, 'back', undefined, path)).status, 409); // it is there: nothing happened, nothing is kept
  await api.send('DELETE', `/tasks/${task.id}`);
  const first = await post(api.send, 'back', undefined, path);
  t.like(first, { status: 201, body: { version: 2 } });
  const again = await post(api.send, 'back', undefined, path);
  t.deepEqual(seen(again), seen(first));
  t.is(again.headers.get('idempotent-replayed'), 'true');
});

test('a request that was refused may be sent again, corrected, under its key', async t => {
  t.is((await post(api.send, 'corrected', { title: '' })).status, 422);
  await api.psql.query(`ALTER TABLE tasks ADD CONSTRAINT tasks_title_polite CHECK (title <> 'rude')`);
  const refused = await post(api.send, 'corrected', { title: 'rude' });
  t.is(refused.status, 422);
  t.is(refused.headers.get('etag'), null);
  const { status, headers } = await post(api.send, 'corrected', { title: 'polite' });
  t.is(status, 201);
  t.is(headers.get('idempotent-replayed'), null);
});

test('a key is 1 to 255 visible characters, and stands once', async t => {
  for (const key of ['x'.repeat(256), 'é', 'a\tb'])
    t.like((await post(api.send, key, { title: 'odd key' })).body, {
      status: 400,
      errors: [{ path: 'Idempotency-Key' }],
    });
  for (const lines of [['Idempotency-Key: '], ['Idempotency-Key: a', 'idempotency-key: a']]) {
    const body = '{"title":"odd key"}';
    const head = [
      'POST /tasks HTTP/1.1',
      'Host: x',
      'Connection: close',
      'Content-Type: application/json',
      ...lines,
    ];
    const answer = await api.raw(
      `${[...head, `Content-Length: ${body.length}`].join('\r\n')}\r\n\r\n${body}`,
    );
    t.regex(answer, /^HTTP\/1\.1 400 /);
    t.regex(answer, /"path":"Idempotency-Key"/);
  }
  t.is(await count('odd key'), 0);
  for (const key of ['x'.repeat(255), '"quoted, with comma"', "'; DROP TABLE tasks"])
    t.is((await post(api.send, key, { title: 'good key' })).status, 201, key);
});

test('a request without a key leaves nothing to be kept', async t => {
  const own = await ownApi(t);
  await own.send('POST', '/tasks', { title: 'no key' });
  t.is(await readValue(own.psql, 'SELECT count(*)::integer FROM idempotency_keys'), 0);
});

test('after 24 hours a key is new again, and keys as old are taken away by those who come', async t => {
  const own = await ownApi(t);
  const first = await post(own.send, 'old', { title: 'old' });
  await own.psql.query(`
    INSERT INTO idempotency_keys SELECT 'k' || n, request, status, headers, body FROM idempotency_keys, generate_series(1, 30) AS n`);
  await own.psql.query(`UPDATE idempotency_keys SET created_at = now() - interval '23 hours 59 minutes'`);
  t.is((await post(own.send, 'old', { title: 'old' })).headers.get('idempotent-replayed'), 'true');
  await own.psql.query(`UPDATE idempotency_keys SET created_at = now() - interval '24 hours'`);
  const second = await post(own.send, 'old', { title: 'old' });
  t.is(second.status, 201);
  t.not(second.body.id, first.body.id);
  t.is((await post(own.send, 'old', { title: 'old' })).body.id, second.body.id);
  await post(own.send, 'other', { title: 'other' });
  const { rows } = await own.psql.query('SELECT key FROM idempotency_keys ORDER BY key');
  t.deepEqual(
    rows.map(({ key }) => key),
    ['old', 'other'],
  );
});

test('while a request is still running, another one with its key is told so', async t => {
  const own = await ownApi(t);
  await own.psql.query('BEGIN; LOCK TABLE tasks IN EXCLUSIVE MODE');
  const first = post(own.send, 'slow', { title: 'slow' });
  await until(() => isWaiting(own.psql));
  const meanwhile = await post(own.send, 'slow', { title: 'slow' });
  t.is(meanwhile.status, 409);
  t.is(meanwhile.headers.get('retry-after'), '1');
  await own.psql.query('COMMIT');
  t.is((await first).status, 201);
  t.is((await post(own.send, 'slow', { title: 'slow' })).body.id, (await first).body.id);
});

async function isWaiting(psql: TestApi['psql']): Promise<boolean> {
  return readValue(
    psql,
    `SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'tasks'::regclass AND NOT granted)`,
  );
}

test('requests that wait for one with their key, more of them than connections, keep no other request waiting', async t => {
  const { url, psql, drop } = await createTestDatabase();
  const instance = await startInstance(url, { DATABASE_POOL_SIZE: '2' });
  t.teardown(async () => {
    await instance.stop();
    await drop();
  });
  const [holder, observer] = [await psql(), await psql()];
  const send = senderTo(instance.address);
  const { body: task } = await send('POST', '/tasks', { title: 'held' });
  await holder.query('BEGIN');
  await holder.query('SELECT FROM tasks WHERE id = $1 FOR UPDATE', [task.id]);
  const ask = () =>
    post(
      send,
      'held',
      { operations: [{ op: 'update', id: task.id, task: { status: 'done' } }] },
      '/tasks/batch',
    );
  const first = ask();
  await until(() =>
    readValue<boolean>(
      observer,
      `SELECT EXISTS (
         SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')`,
    ),
  );
  let answered = 0;
  const others = Array.from({ length: 8 }, async () => {
    const answer = await ask();
    answered++;
    return answer;
  });
  t.is((await send('GET', '/tasks')).status, 200);
  t.is(answered, 0);
  await holder.query('COMMIT');
  const answers = await Promise.all(others);
  for (const answer of answers) t.deepEqual(seen(answer), seen(await first));
  t.is((await first).body.data[0].version, 2);
});

test('of twenty equal requests at once over two instances there is one task, and twenty equal answers', async t => {
  const { url, psql, drop } = await createTestDatabase();
  const instances = await Promise.all([startInstance(url), startInstance(url)]);
  t.teardown(async () => {
    await Promise.all(instances.map(instance => instance.stop()));
    await drop();
  });
  const sends = instances.map(({ address }) => senderTo(address));
  const session = await psql();
  for (let round = 0; round < 5; round++) {
    const title = `race ${round}`;
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => post(sends[n % 2] as Send, title, { title })),
    );
    t.is(answers[0]?.status, 201);
    for (const answer of answers) t.deepEqual(seen(answer), seen(answers[0] as Answer));
    t.is(answers.filter(({ headers }) => headers.get('idempotent-replayed') === 'true').length, 19);
    t.is(await readValue(session, 'SELECT count(*)::integer FROM tasks WHERE title = $1', [title]), 1);
  }
});

test('an instance that dies in the middle of a request leaves nothing of it, and another one does it once', async t => {
  const { url, psql, drop } = await createTestDatabase();
  const session = await psql();
  const observer = await psql();
  const dying = await startService(url);
  const living = await startService(url);
  t.teardown(async () => {
    await Promise.all([dying.kill(), living.stop()]);
    await drop();
  });
  for (const [round, timestamp] of (['tasks', 'idempotency_keys'] as const).entries()) {
    const title = `half ${round}`;
    // Before its write, and after it, when only the answer is still to be kept.
    await session.query(`BEGIN; LOCK TABLE ${timestamp} IN SHARE MODE`);
    const lost = post(senderTo(round === 0 ? dying.address : living.address), title, { title });
    await until(() =>
      readValue<boolean>(
        observer,
        `SELECT EXISTS (SELECT FROM pg_locks WHERE relation = $1::regclass AND NOT granted)`,
        [timestamp],
      ),
    );
    await dieAt(t, round === 0 ? dying : living, lost);
    await session.query('COMMIT');
    await until(async () => (await counts(observer, title)).claims === 0);
    t.deepEqual(await counts(observer, title), { tasks: 0, keys: 0, claims: 0 });
    const next = round === 0 ? living : await startService(url);
    if (round > 0) t.teardown(() => next.stop());
    const { status, headers } = await post(senderTo(next.address), title, { title });
    t.is(status, 201);
    t.is(headers.get('idempotent-replayed'), null);
    t.deepEqual(await counts(observer, title), { tasks: 1, keys: 1, claims: 0 });
  }
});

async function dieAt(
  t: ExecutionContext,
  instance: Awaited<ReturnType<typeof startService>>,
  lost: Promise<unknown>,
) {
  instance.child.kill('SIGKILL');
  await t.throwsAsync(lost);
  if (instance.child.exitCode === null && instance.child.signalCode === null)
    await once(instance.child, 'exit');
}

async function counts(observer: TestApi['psql'], title: string) {
  const { rows } = await observer.query(
    `SELECT (SELECT count(*)::integer FROM tasks WHERE title = $1) AS tasks,
       (SELECT count(*)::integer FROM idempotency_keys WHERE key = $1) AS keys,
       (SELECT count(*)::integer FROM pg_locks AS l WHERE locktype = 'advisory' AND l.database = (
          SELECT oid FROM pg_database WHERE datname = current_database())
          AND (l.classid::bigint << 32 | l.objid::bigint) = feed.lock_key('idempotency:' || $1)) AS claims`,
    [title],
  );
  return rows[0];
}

test('nothing of an answer is given before its transaction is committed', async t => {
  let own: Context | undefined;
  let before: unknown;
  const made = operation({
    id: 'probe',
    method: 'post',
    path: '/probes',
    summary: 'Looks at its own answer.',
    tag: 'probes',
    access: ['tasks:write'],
    isExempt: ctx => {
      own = ctx;
      return true;
    },
    answers: { 201: { description: 'Made.', schema: z.object({ made: z.boolean() }) } },
    handle(ctx, _input, _connection: Connection) {
      ctx.status = 201;
      ctx.body = '{"made":true}';
      ctx.type = 'application/json';
      before = [own?.status, own?.body];
    },
  });
  const api = await ownApi(t, { operations: pool => [withKey(pool, made)] });
  const answer = await api.send('POST', '/probes', undefined, { 'Idempotency-Key': 'probe' });
  t.is(answer.status, 201);
  t.deepEqual(answer.body, { made: true });
  t.deepEqual(before, [404, undefined]);
});

test('what was not committed is not answered: of a change that fails at its commit nothing is told', async t => {
  const own = await ownApi(t);
  await own.psql.query(`
    CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not today'; END $$;
    CREATE CONSTRAINT TRIGGER late AFTER INSERT ON tasks DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION late()`);
  const answer = await own.send('POST', '/tasks', { title: 'x' }, { 'Idempotency-Key': 'late' });
  t.is(answer.status, 422);
  t.is(answer.body.detail, 'not today');
  for (const name of ['Location', 'ETag']) t.is(answer.headers.get(name), null, name);
});
