// Answers what Node's parser takes for no request: there is none that Koa could be given.
import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { CATALOGUE, ServiceError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { problemOf } from './middleware/problems.ts';

const GONE = new Set(['ECONNRESET', 'EPIPE', 'HPE_INVALID_EOF_STATE']);
const PATIENCE = 2_000; // ms for the client to read the answer and to stop sending

/** What Node's `clientError` tells of. */
interface ParserError extends Error {
  code?: string;
  /** What arrived last. */
  rawPacket?: Buffer;
}

/** A connection that such a thing came over. */
interface Unparsed {
  socket: Duplex;
  logger: Logger;
  /** What the request is called, where its head was read and only the rest is wrong. */
  requestId?: string | undefined;
}

/** Answers what the parser says with a problem, and ends the connection; one that is broken has no reader. */
export function answerUnparsed(error: ParserError, on: Unparsed): void {
  if (!on.socket.writable || GONE.has(error.code ?? '')) on.socket.destroy();
  else refuseOn(on, refusalOf(error));
}

/** Answers a problem on the connection itself, logs a line as of every request, and ends the connection. */
export function refuseOn(
  { socket, logger, requestId = randomUUID() }: Unparsed,
  refusal: ServiceError,
): void {
  const { status } = CATALOGUE[refusal.code];
  const body = JSON.stringify(problemOf(refusal, { path: '/', requestId }));
  socket.end(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      `X-Request-Id: ${requestId}`,
      'Content-Type: application/problem+json',
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Cache-Control: no-store',
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
  );
  logger.info({ request_id: requestId, status, reason: refusal.message }, 'request');
  closeOnceRead(socket);
}

// Closing a socket with unread bytes resets it, and the reset can overtake the answer.
function closeOnceRead(socket: Duplex): void {
  const close = () => void socket.destroy();
  const timer = setTimeout(close, PATIENCE);
  socket.once('close', () => clearTimeout(timer));
  socket.once('end', close);
  socket.resume();
}

function refusalOf({ code, rawPacket }: ParserError): ServiceError {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new ServiceError('request_timeout', 'the request, its body included, did not arrive in time');
    case 'HPE_HEADER_OVERFLOW':
      return new ServiceError('headers_too_large', 'the request line and headers have more than 16 KiB');
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new ServiceError('too_large', 'the extensions of a chunk have more than 16 KiB');
    case 'HPE_INVALID_URL':
      return new ServiceError('malformed', hintOf(rawPacket));
    case 'HPE_INVALID_METHOD':
      return isRequestLine(rawPacket)
        ? new ServiceError('method_unknown', 'the method is none that HTTP knows')
        : new ServiceError('malformed', 'this is no HTTP request; HTTP/1.1 without TLS is spoken here');
    default:
      return new ServiceError('malformed', `this is no HTTP/1.1 request that can be read (${code})`);
  }
}

function isRequestLine(packet: Buffer | undefined): boolean {
  return /^[A-Za-z][\w-]* \S+ HTTP\/1\.\d\r?\n/.test(packet?.toString('latin1', 0, 1_000) ?? '');
}

// RFC 3986, section 2: a URL is ASCII. curl sends what it was given.
function hintOf(packet: Buffer | undefined): string {
  const [line = ''] = (packet?.toString('latin1') ?? '').split('\r\n', 1);
  if (!/[\x80-\xff]/.test(line)) return 'the request target is no URL';
  return 'the request target holds characters that are not ASCII: percent-encode them, as curl does for -G --data-urlencode "q=…"';
}
