// What the operator's own schema refuses is the writer's to mend: told in its words, never as a fault of the service.
import test from 'ava';
import { startTestApi, type TestApi } from '../helpers/http.ts';

let api: TestApi;
test.before(async () => {
  api = await startTestApi();
  await api.psql.query(`
    CREATE FUNCTION tasks_by_word() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
      word text := CASE WHEN TG_OP = 'DELETE' THEN OLD.title ELSE NEW.title END;
    BEGIN
      CASE
        WHEN current_setting('app.lenient', true) = 'on' THEN NULL;
        WHEN word LIKE 'raise %' THEN
          RAISE EXCEPTION '% is closed on Sundays', TG_OP USING ERRCODE = split_part(word, ' ', 2);
        WHEN word LIKE 'swallow%' THEN RETURN NULL;
        ELSE NULL;
      END CASE;
      RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
    END $$;
    CREATE TRIGGER by_word BEFORE INSERT OR UPDATE OR DELETE ON tasks
    FOR EACH ROW EXECUTE FUNCTION tasks_by_word();

    CREATE TABLE attachments (
      task uuid REFERENCES tasks, strictly uuid REFERENCES tasks ON DELETE RESTRICT);

    CREATE EXTENSION btree_gist;
    ALTER TABLE tasks ADD CONSTRAINT one_booking EXCLUDE USING gist (
      description WITH =, tstzrange(due_at, due_at, '[]') WITH &&)
      WHERE (due_at IS NOT NULL AND description LIKE 'room%')`);
});
test.after.always(() => api?.close());

/** A task that the trigger would not have taken. */
async function smuggle(title: string): Promise<string> {
  await api.psql.query('BEGIN');
  await api.psql.query(`SET LOCAL app.lenient = 'on'`);
  const { rows } = await api.psql.query('INSERT INTO tasks (title) VALUES ($1) RETURNING id', [title]);
  await api.psql.query('COMMIT');
  return rows[0].id;
}

async function smuggleDeleted(title: string): Promise<string> {
  const id = await smuggle(title);
  await api.psql.query('BEGIN');
  await api.psql.query(`SET LOCAL app.lenient = 'on'`);
  await api.psql.query('DELETE FROM tasks WHERE id = $1', [id]);
  await api.psql.query('COMMIT');
  return id;
}

// Class 23 with a name of its own is a rule; these are what authors of triggers write.
const RAISED = ['P0001', '23514', '45000', 'MY001'];

for (const state of RAISED) {
  test.serial(
    `a trigger that raises ${state} is 422 with its words, by whichever way the row comes`,
    async t => {
      const title = `raise ${state}`;
      const there = await smuggle(title);
      const gone = await smuggleDeleted(title);
      const create = { op: 'create', task: { title } };
      const asked = [
        await api.send('POST', '/tasks', { title }),
        await api.send('POST', '/tasks', { title }, { 'Idempotency-Key': `${state} key` }),
        await api.send('PATCH', `/tasks/${there}`, { status: 'done' }),
        await api.send('DELETE', `/tasks/${there}`),
        await api.send('POST', `/tasks/${gone}/restore`),
        await api.send('POST', '/tasks/batch', { operations: [create] }),
        await api.send('POST', '/tasks/batch', { operations: [{ op: 'delete', id: there }] }),
      ];
      const words = [
        'INSERT',
        'INSERT',
        'UPDATE',
        'DELETE',
        'INSERT',
        'operation 0: INSERT',
        'operation 0: DELETE',
      ];
      t.deepEqual(
        asked.map(({ status, body }) => [status, body.detail]),
        words.map(word => [422, `${word} is closed on Sundays`]),
      );
      t.deepEqual(asked[5]?.body.errors, [{ path: '/operations/0', message: 'INSERT is closed on Sundays' }]);
      await api.send('POST', '/tasks', { title: 'still writable' });
    },
  );
}

test.serial('a row that a trigger swallows is 422 and says so, by whichever way it comes', async t => {
  const title = 'swallowed';
  const there = await smuggle(title);
  const gone = await smuggleDeleted(title);
  const version = { 'If-Match': '"1"' };
  const operation = { id: there, version: 1 };
  const asked = [
    await api.send('POST', '/tasks', { title }),
    await api.send('POST', '/tasks', { title }, { 'Idempotency-Key': 'swallowed' }),
    await api.send('PATCH', `/tasks/${there}`, { status: 'done' }),
    await api.send('PATCH', `/tasks/${there}`, { status: 'done' }, version),
    await api.send('DELETE', `/tasks/${there}`),
    await api.send('DELETE', `/tasks/${there}`, undefined, version),
    await api.send('POST', `/tasks/${gone}/restore`),
    await api.send('POST', '/tasks/batch', { operations: [{ op: 'create', task: { title } }] }),
    await api.send('POST', '/tasks/batch', { operations: [{ op: 'update', task: {}, ...operation }] }),
    await api.send('POST', '/tasks/batch', { operations: [{ op: 'delete', id: there }] }),
  ];
  const words = 'a trigger of the table did not take the row';
  t.deepEqual(
    asked.map(({ status, body }) => [status, body.detail]),
    asked.map((_, index) => [422, index < 7 ? words : `operation 0: ${words}`]),
  );
  const stale = await api.send('PATCH', `/tasks/${there}`, { status: 'done' }, { 'If-Match': '"9"' });
  t.is(stale.status, 412);
});

test.serial('a foreign key is 409 and named, whether it restricts or takes no action', async t => {
  for (const column of ['task', 'strictly']) {
    const { body: task } = await api.send('POST', '/tasks', { title: `has ${column}` });
    await api.psql.query(`INSERT INTO attachments (${column}) VALUES ($1)`, [task.id]);
    const { status, body } = await api.send('DELETE', `/tasks/${task.id}`);
    t.is(status, 409);
    t.regex(body.detail, new RegExp(`attachments_${column}_fkey`));
    const operations = [{ op: 'delete', id: task.id }];
    t.is((await api.send('POST', '/tasks/batch', { operations })).status, 409);
  }
});

test.serial('an exclusion constraint is 409 and named', async t => {
  const booking = { title: 'meeting', description: 'room 1', due_at: '2027-01-01T10:00:00Z' };
  t.is((await api.send('POST', '/tasks', booking)).status, 201);
  const { status, body } = await api.send('POST', '/tasks', booking);
  t.is(status, 409);
  t.regex(body.detail, /one_booking/);
});
