// A load of HTTP requests that costs its process as little as can be: keep-alive sockets, requests as bytes made
// beforehand, and of an answer only its status and body. node:http as the client would cost more than what it measures.
import { connect } from 'node:net';

const HEAD_END = Buffer.from('\r\n\r\n');

export interface Answer {
  status: number;
  body: Buffer;
}

/** A request as the bytes that go over the wire. */
export function encodeRequest(method: string, path: string, body?: unknown): Buffer {
  const text = body === undefined ? '' : JSON.stringify(body);
  const content =
    body === undefined
      ? ''
      : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n`;
  return Buffer.from(`${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${content}\r\n${text}`);
}

/** Sends the requests over so many connections, each one at a time; `check` throws at an answer that is not right. */
export async function sendAll(
  address: string,
  connections: number,
  requests: readonly Buffer[],
  check: (answer: Answer, index: number) => void,
): Promise<void> {
  const queue = requests.entries();
  await Promise.all(Array.from({ length: connections }, () => sendFrom(queue, address, check)));
}

function sendFrom(
  queue: Iterator<[number, Buffer]>,
  address: string,
  check: (answer: Answer, index: number) => void,
): Promise<void> {
  const { hostname, port } = new URL(address);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  return new Promise((resolve, reject) => {
    let index = -1;
    let received = Buffer.alloc(0);
    const next = () => {
      const { value, done } = queue.next();
      if (done) return void socket.end();
      index = value[0];
      socket.write(value[1]);
    };
    socket.on('connect', next);
    socket.on('data', chunk => {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
      try {
        const answer = readAnswer(received);
        if (!answer) return;
        received = Buffer.alloc(0);
        check(answer, index);
        index = -1;
        next();
      } catch (error) {
        socket.destroy(error instanceof Error ? error : new Error(String(error)));
      }
    });
    socket.on('error', reject);
    socket.on('close', () =>
      index === -1 ? resolve() : reject(new Error('a connection closed before its answer')),
    );
  });
}

// The whole answer, or undefined while some of it is on its way. One request at a time: nothing follows it.
function readAnswer(bytes: Buffer): Answer | undefined {
  const end = bytes.indexOf(HEAD_END);
  if (end < 0) return undefined;
  const head = bytes.toString('latin1', 0, end);
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
  if (length === undefined) throw new Error(`an answer without its length: ${head}`);
  const body = bytes.subarray(end + HEAD_END.length);
  if (body.length < Number(length)) return undefined;
  return { status: Number(head.slice(9, 12)), body };
}
