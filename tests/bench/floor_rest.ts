// The floor of the rest benchmark: node:http and pg, the statements and the JSON of the service, and nothing else: no
// validation, problems, request ids, log or metrics. A process of its own.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import pg from 'pg';

const INSERT = `
  WITH context AS MATERIALIZED (
    SELECT set_config('taskwire.origin', $1, true), set_config('taskwire.request_id', $2, true)
  )
  INSERT INTO tasks AS t (title, description, status, priority, due_at, labels)
  SELECT $3, $4, $5, $6, $7::timestamptz, $8::text[]
  FROM context
  RETURNING t.id::text AS id, t.version, feed.render(t)::text AS document`;
const READ =
  'SELECT t.id::text AS id, t.version, feed.render(t)::text AS document FROM tasks AS t WHERE t.id = $1';
const LIST = `
  SELECT t.id::text AS id, feed.rfc3339(t.created_at) AS created_at, feed.render(t)::text AS document
  FROM tasks AS t
  ORDER BY t.created_at DESC, t.id DESC
  LIMIT $1`;

const pool = new pg.Pool({ connectionString: process.argv[2], max: 10 });
const server = createServer((request, response) => {
  const answer = request.method === 'POST' ? create : request.url?.startsWith('/tasks?') ? list : read;
  answer(request, response).catch(error => response.writeHead(500).end(String(error)));
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}\n`);
});
process.on('SIGTERM', () => process.exit(0));

async function create(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let text = '';
  for await (const chunk of request) text += chunk;
  const task = JSON.parse(text);
  const { rows } = await pool.query({
    name: 'insert',
    text: INSERT,
    values: ['rest', '', task.title, null, 'todo', 'normal', null, task.labels],
  });
  send(response, 201, rows[0].document);
}

async function read(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const id = request.url?.slice('/tasks/'.length);
  const { rows } = await pool.query({ name: 'read', text: READ, values: [id] });
  send(response, 200, rows[0].document);
}

async function list(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const limit = Number(request.url?.slice('/tasks?limit='.length));
  const { rows } = await pool.query({ name: 'list', text: LIST, values: [limit + 1] });
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  const keys = JSON.stringify(['-created_at', last.created_at, last.id]);
  const cursor = rows.length > limit ? Buffer.from(keys).toString('base64url') : null;
  const data = page.map(row => row.document).join(',');
  send(response, 200, `{"data":[${data}],"next_cursor":${JSON.stringify(cursor)}}`);
}

function send(response: ServerResponse, status: number, body: string): void {
  const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
  response.writeHead(status, headers).end(body);
}
