// An HTTP server of one's own, on a database of one's own.
import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { Writable } from 'node:stream';
import type { Router } from '@koa/router';
import type pg from 'pg';
import { pino } from 'pino';
import { type DatabasePool, openPool } from '../../src/database/pool.ts';
import { createHttpApp } from '../../src/http/app.ts';
import { createTaskRouter } from '../../src/http/task_routes.ts';
import { createTestDatabase } from './database.ts';

export type LogLine = Record<string, unknown>;

export interface TestApi {
  readonly url: string;
  /** What the service logged so far. */
  readonly log: readonly LogLine[];
  /** fetch with a path instead of an address. */
  request(path: string, init?: RequestInit): Promise<Response>;
  /** One JSON body; the answer with its body parsed, `undefined` where there is none. */
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
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
  routers?: readonly Router[];
}

/** Starts the service's HTTP side: no feed, no jobs. */
export async function startTestApi({
  databaseUrl = url => url,
  routers = [],
}: TestApiOptions = {}): Promise<TestApi> {
  const database = await createTestDatabase();
  const pool = await openPool({ url: databaseUrl(database.url), size: 10, role: true });
  const log = createLog();
  const app = createHttpApp({ pool, logger: log.logger, routers: [createTaskRouter({ pool }), ...routers] });
  const server = createServer(app.callback());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  const request = (path: string, init?: RequestInit) => fetch(`${url}${path}`, init);
  return {
    url,
    log: log.lines,
    request,
    send: async (method, path, body, headers) => {
      const init = { method, headers: { 'Content-Type': 'application/json', ...headers } };
      return read(await request(path, body === undefined ? init : { ...init, body: JSON.stringify(body) }));
    },
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
