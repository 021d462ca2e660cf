// An HTTP server of one's own, on a database of one's own.
import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { Writable } from 'node:stream';
import type { ExecutionContext, TestFn } from 'ava';
import type pg from 'pg';
import { pino } from 'pino';
import { describeHttp } from '../../src/api_docs/openapi.ts';
import { createHttpApp, type HttpApp } from '../../src/http/app.ts';
import type { Routing } from '../../src/http/router.ts';
import { createTaskOperations } from '../../src/http/tasks/task_operations.ts';
import { createAvailability } from '../../src/postgres/availability.ts';
import { type DatabasePool, openPool, ping } from '../../src/postgres/pool.ts';
import { type Access, OPEN_ACCESS } from '../../src/web/access.ts';
import type { Operation } from '../../src/web/operation.ts';
import { createOrigins, type Origins } from '../../src/web/origins.ts';
import type { RateLimit } from '../../src/web/rate_limit.ts';
import { type Conformance, conformanceAt, conformTo } from './conformance.ts';
import { createTestDatabase, SERVICE } from './database.ts';

export type LogLine = Record<string, unknown>;

/** One JSON body; the answer with its body parsed, `undefined` where there is none. */
export type Send = (
  method: string,
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
) => Promise<Answer>;

export interface TestApi {
  readonly url: string;
  /** All that can be asked of it. */
  readonly operations: readonly Operation[];
  /** What Koa routes, such as GET /tasks/:id. */
  readonly routes: readonly string[];
  /** What the service logged so far. */
  readonly log: readonly LogLine[];
  /** fetch with a path instead of an address. The answer is held against the document, as send()'s is. */
  request(path: string, init?: RequestInit): Promise<Response>;
  readonly send: Send;
  /** The line about the request with this id, now or once it is written. */
  logged(requestId: string): Promise<LogLine>;
  /** Writes bytes to a socket as they are; what came back until the other side closed, or nothing if we hang up. */
  raw(text: string | Buffer, how?: { hangUp?: boolean }): Promise<string>;
  /** As the service has it. */
  readonly pool: DatabasePool;
  /** As a person has it. */
  readonly psql: pg.Client;
  close(): Promise<void>;
}

export interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: a test says itself what it expects in there
  body: any;
}

export interface TestApiOptions {
  /** Turns the database's address into the one that the service uses. */
  databaseUrl?: (url: string) => string;
  /** Served beside the tasks. */
  operations?: (pool: DatabasePool) => readonly Operation[];
  /** Without it nobody is asked for a token. */
  access?: Access;
  /** Without them: as on an address that others can reach. */
  origins?: Origins;
  /** Without it nothing is limited. */
  rateLimit?: RateLimit;
}

/** Starts the service's HTTP side: no feed, no jobs. */
export async function startTestApi({
  databaseUrl = url => url,
  operations = () => [],
  access = OPEN_ACCESS,
  origins = createOrigins({ checksHost: false, allowed: [] }),
  rateLimit,
}: TestApiOptions = {}): Promise<TestApi> {
  const database = await createTestDatabase();
  const log = createLog();
  const availability = createAvailability(log.logger);
  const pool = await openPool({
    service: SERVICE,
    url: databaseUrl(database.url),
    size: 10,
    role: true,
    availability,
  });
  const app = createHttpApp({
    readiness: { database: () => ping(pool).then(() => ({ reasons: [] })), parts: () => [] },
    logger: log.logger,
    origins,
    access,
    rateLimit,
    operations: [...createTaskOperations({ pool }), ...operations(pool)],
    availability,
  });
  const server = createServer(app.callback());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  const conformance = conformTo(describeHttp(app.operations, { version: '0', asksForToken: false }));
  return {
    url,
    operations: app.operations,
    routes: routesOf(app),
    log: log.lines,
    request: async (path, init) => {
      const response = await fetch(`${url}${path}`, init);
      await hold(conformance, init?.method ?? 'GET', path, response.clone());
      return response;
    },
    send: senderTo(url, async () => conformance),
    logged: id => log.find(id),
    raw: (text, how) => exchange(port, text, how),
    pool,
    psql: await database.psql(),
    close: async () => {
      server.closeAllConnections();
      server.close();
      await pool.end();
      await database.drop();
    },
  };
}

/** The same for all tests of a file: there, and prepared, once they begin; taken away after the last. */
export function withApi(
  test: TestFn,
  options: TestApiOptions = {},
  prepare: (api: TestApi) => Promise<void> = async () => {},
): TestApi {
  const api = {} as TestApi;
  test.before(async () => {
    Object.assign(api, await startTestApi(options));
    await prepare(api);
  });
  test.after.always(() => api.close?.());
  return api;
}

/** The same for one test. */
export async function ownApi(t: ExecutionContext, options: TestApiOptions = {}): Promise<TestApi> {
  const api = await startTestApi(options);
  t.teardown(() => api.close());
  return api;
}

/** What sends requests to the service at this address, and holds what it answers against its document. */
export function senderTo(url: string, conformance = () => conformanceAt(url)): Send {
  return async (method, path, body, headers) => {
    const init = { method, headers: { 'Content-Type': 'application/json', ...headers } };
    const response = await fetch(
      `${url}${path}`,
      body === undefined ? init : { ...init, body: JSON.stringify(body) },
    );
    await hold(await conformance(), method, path, response.clone());
    return read(response);
  };
}

async function hold({ check }: Conformance, method: string, path: string, response: Response) {
  const { status, headers } = response;
  const isStream = headers.get('content-type')?.startsWith('text/event-stream');
  check({ method, path, status, headers, body: isStream ? undefined : await response.text() });
}

/** An answer with its body, parsed where it is JSON. */
export async function read(response: Response): Promise<Answer> {
  const text = await response.text();
  const isJson = /json/.test(response.headers.get('content-type') ?? '') && text !== '';
  return {
    status: response.status,
    headers: response.headers,
    body: isJson ? JSON.parse(text) : text || undefined,
  };
}

// The routers stand on the middleware that asks them.
function routesOf({ middleware }: HttpApp): string[] {
  const routers = middleware.flatMap(each => ('routers' in each ? (each as Routing).routers : []));
  return routers
    .flatMap(({ stack }) => stack)
    .flatMap(({ methods, path }) => methods.map(method => `${method} ${path}`));
}

function createLog() {
  const lines: LogLine[] = [];
  const news = new EventEmitter();
  const write = (chunk: unknown, _encoding: string, done: () => void) => {
    lines.push(JSON.parse(String(chunk)));
    news.emit('line');
    done();
  };
  async function find(requestId: string): Promise<LogLine> {
    for (;;) {
      const line = lines.find(({ request_id }) => request_id === requestId);
      if (line) return line;
      await once(news, 'line');
    }
  }
  return { lines, find, logger: pino({ level: 'info', base: null }, new Writable({ write })) };
}

async function exchange(port: number, text: string | Buffer, { hangUp = false } = {}): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {}); // a reset shows in what did not come back
  const chunks: Buffer[] = [];
  socket.on('data', chunk => chunks.push(chunk));
  socket.write(text, () => hangUp && socket.destroy());
  await once(socket, 'close');
  return Buffer.concat(chunks).toString();
}
