// The ways to be told of events: a WebSocket, an event stream, pages. Whatever it came by, a listener takes the same
// texts: events as they are in the log, and control frames.
import { get, type IncomingMessage } from 'node:http';
import { WebSocket } from 'ws';
import { z } from 'zod';

/** A connection to one instance. */
export interface Connection {
  /** Stops and resumes reading from the network, where that means something. */
  pause(): void;
  resume(): void;
  drop(): void;
  /** Resolves when it has ended, however. */
  readonly closed: Promise<unknown>;
}

export interface Hearing {
  /** An event or a control frame. */
  take(text: string): void;
  /** The other side has answered. */
  opened(): void;
}

/** Opens a connection for a path and its query. */
export type Transport = (
  address: string,
  path: string,
  query: URLSearchParams,
  hearing: Hearing,
) => Connection;

const HANDSHAKE = 5_000; // ms

export const overSocket: Transport = (address, path, query, { take, opened }) => {
  const url = `${address.replace('http', 'ws')}${path}?${query}`;
  const socket = new WebSocket(url, { handshakeTimeout: HANDSHAKE, perMessageDeflate: false });
  socket.on('message', data => take(String(data)));
  socket.on('error', () => {}); // 'close' follows
  socket.on('open', opened);
  return {
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    // One that does not read would not see its own end.
    drop() {
      socket.terminate();
      socket.resume();
    },
    closed: new Promise(resolve => socket.once('close', resolve)),
  };
};

export const overStream: Transport = (address, path, query, hearing) => {
  const request = get(`${address}${path}?${query}`, { agent: false });
  const refuse = setTimeout(() => request.destroy(), HANDSHAKE);
  let response: IncomingMessage | undefined;
  request.on('error', () => {}); // 'close' follows
  request.once('response', answer => {
    response = answer;
    clearTimeout(refuse);
    answer.on('error', () => {});
    if (answer.statusCode === 200) {
      hearing.opened();
      readStream(answer, hearing.take);
    } else readRefusal(answer, hearing.take).catch(() => request.destroy());
  });
  request.once('close', () => clearTimeout(refuse));
  return {
    pause: () => response?.pause(),
    resume: () => response?.resume(),
    drop: () => request.destroy(),
    closed: new Promise(resolve => request.once('close', resolve)),
  };
};

// WHATWG HTML, section 9.2.6, as far as it is used.
function readStream(answer: IncomingMessage, take: (text: string) => void): void {
  let rest = '';
  answer.setEncoding('utf8').on('data', (chunk: string) => {
    const blocks = (rest + chunk).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const lines = block.split('\n').filter(line => line.startsWith('data: '));
      if (lines.length > 0) take(lines.map(line => line.slice('data: '.length)).join('\n'));
    }
  });
}

const Refusal = z.object({ reason: z.string() });

// Of a log that has become another one it says so; of anything else the next attempt will tell.
async function readRefusal(answer: IncomingMessage, take: (text: string) => void): Promise<void> {
  let text = '';
  for await (const chunk of answer.setEncoding('utf8')) text += chunk;
  if (answer.statusCode === 410) take(JSON.stringify({ type: 'reset', ...Refusal.parse(JSON.parse(text)) }));
}

const WAIT = 5; // seconds
const Page = z.object({ data: z.array(z.unknown()), next_after: z.number() });
const NEXT_EVENT = ',{"specversion":'; // within a string its quotes would have backslashes

/** A listener that has no position yet asks the stream where the log stands. */
export const overPages: Transport = (address, path, query, hearing) => {
  const ending = new AbortController();
  const take = (text: string) => void (ending.signal.aborted || hearing.take(text));
  async function read(): Promise<void> {
    const asked = new URLSearchParams({ wait: String(WAIT), ...Object.fromEntries(query) });
    const [after, log] = [query.get('after'), query.get('log')];
    if (log === null) for (const [name, value] of await begin()) asked.set(name, value);
    for (let isOpen = false; !ending.signal.aborted; isOpen = true) {
      const signal = AbortSignal.any([ending.signal, AbortSignal.timeout(WAIT * 1_000 + 2 * HANDSHAKE)]);
      const answer = await fetch(`${address}${path}?${asked}`, { signal });
      const text = await answer.text();
      if (answer.status === 410) take(JSON.stringify({ type: 'reset', ...Refusal.parse(JSON.parse(text)) }));
      if (answer.status !== 200) return;
      if (!isOpen) hearing.opened();
      if (!isOpen && log !== null) take(JSON.stringify({ type: 'ready', head: Number(after), log }));
      const { data, next_after } = Page.parse(JSON.parse(text));
      for (const event of eventsIn(text, data.length)) take(event);
      const epoch = answer.headers.get('taskwire-log') ?? '';
      take(JSON.stringify({ type: 'position', position: next_after, log: epoch }));
      asked.set('after', String(next_after));
      asked.set('log', epoch);
    }
  }
  async function begin(): Promise<[string, string][]> {
    const ready = Promise.withResolvers<{ head: number; log: string }>();
    const stream = overStream(address, '/events/stream', query, {
      opened: () => {},
      take(text) {
        const told = JSON.parse(text);
        if (told.type !== 'ready') return;
        take(text);
        ready.resolve(told);
      },
    });
    ending.signal.addEventListener('abort', () => stream.drop());
    const found = await Promise.race([ready.promise, stream.closed.then(() => undefined)]);
    stream.drop();
    if (!found) throw new Error('there was no stream');
    return [
      ['log', found.log],
      ['after', query.get('after') ?? String(found.head)],
    ];
  }
  return {
    pause: () => {},
    resume: () => {},
    drop: () => ending.abort(),
    closed: read().catch(() => {}), // the instance is away, or it is to end
  };
};

// Their texts as they came.
function eventsIn(page: string, count: number): string[] {
  if (count === 0) return [];
  const text = page.slice('{"data":['.length);
  const events: string[] = [];
  let from = 0;
  for (let next = text.indexOf(NEXT_EVENT); next >= 0; next = text.indexOf(NEXT_EVENT, from)) {
    events.push(text.slice(from, next));
    from = next + 1;
  }
  return [...events, text.slice(from, text.lastIndexOf(']'))];
}
