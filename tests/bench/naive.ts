// The service that an engineer writes by hand: koa, pg and ws, one process, a trigger that NOTIFYs each row, and no log.
// The same columns and the same answers as the service, its key and the index of the list; what a client missed, and a
// row above 8 kB, it cannot tell. It makes its table where there is none.
// Called as a process: `node naive.ts <database url>`; prints its address.
import { createServer } from 'node:http';
import Koa, { type Context } from 'koa';
import bodyParser from 'koa-bodyparser';
import pg from 'pg';
import { WebSocketServer } from 'ws';

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS tasks (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    title text NOT NULL,
    description text,
    status text NOT NULL DEFAULT 'todo',
    priority text NOT NULL DEFAULT 'normal',
    due_at timestamptz,
    labels text[] NOT NULL DEFAULT '{}',
    source text,
    external_id text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz,
    version bigint NOT NULL DEFAULT 1
  );
  CREATE INDEX IF NOT EXISTS tasks_by_created_at ON tasks (created_at, id);
  CREATE OR REPLACE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM pg_notify('tasks', json_build_object('type', lower(TG_OP), 'task', coalesce(NEW, OLD))::text);
    RETURN NULL;
  END $$;
  CREATE OR REPLACE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON tasks FOR EACH ROW EXECUTE FUNCTION tell()`;
const INSERT = `
  INSERT INTO tasks (title, description, status, priority, due_at, labels)
  VALUES ($1, $2, coalesce($3, 'todo'), coalesce($4, 'normal'), $5, coalesce($6, '{}'::text[]))
  RETURNING *`;
const READ = 'SELECT * FROM tasks WHERE id = $1';
const LIST = 'SELECT * FROM tasks ORDER BY created_at DESC, id DESC LIMIT $1';

const pool = new pg.Pool({ connectionString: process.argv[2], max: 10 });
await pool.query(SCHEMA);

const app = new Koa();
app.use(bodyParser());
app.use(async context => {
  if (context.method === 'POST' && context.path === '/tasks') return create(context);
  if (context.method === 'GET' && context.path === '/tasks') return list(context);
  if (context.method === 'GET' && context.path.startsWith('/tasks/')) return read(context);
});
const server = createServer(app.callback());
const sockets = new WebSocketServer({ server, perMessageDeflate: false });

const listener = new pg.Client(process.argv[2]);
await listener.connect();
listener.on('notification', ({ payload = '' }) => {
  for (const socket of sockets.clients) socket.send(payload);
});
await listener.query('LISTEN tasks');
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}\n`);
});
process.on('SIGTERM', () => process.exit(0));

async function create(context: Context): Promise<void> {
  const { title, description, status, priority, due_at, labels } = context.request.body as Record<
    string,
    unknown
  >;
  if (typeof title !== 'string' || title.trim() === '') context.throw(422, 'a task has a title');
  const values = [title.trim(), description, status, priority, due_at, labels];
  const { rows } = await pool.query({ name: 'insert', text: INSERT, values });
  context.status = 201;
  context.body = rows[0];
}

async function read(context: Context): Promise<void> {
  const id = context.path.slice('/tasks/'.length);
  const { rows } = await pool.query({ name: 'read', text: READ, values: [id] });
  if (rows[0] === undefined) context.throw(404, 'there is no such task');
  context.body = rows[0];
}

async function list(context: Context): Promise<void> {
  const limit = Number(context.query.limit ?? 50);
  const { rows } = await pool.query({ name: 'list', text: LIST, values: [limit + 1] });
  context.body = { data: rows.slice(0, limit), has_more: rows.length > limit };
}
