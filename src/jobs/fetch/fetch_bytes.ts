// Fetches what a source has: bounded in time and size, patient as the other side asks, clear about what went wrong.
import { once } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import got, { type Response } from 'got';
import { settleWithin } from '../../within.ts';
import { createCookieJar } from './cookie_jar.ts';
import { readRefusalWords, secretsOf } from './refusal_words.ts';
import { SourceError } from './source_error.ts';

/** What an adapter may say about a request. */
export interface FetchOptions {
  headers?: Record<string, string>;
  /** Of what is known already: if it is still that, the answer is a 304 without a body. */
  etag?: string | undefined;
  /** Knows refusals of this source that pass, beyond what HTTP says; undefined for any other. */
  explain?(answer: SourceAnswer): Refusal | undefined;
}

export interface SourceAnswer {
  status: number;
  headers: IncomingHttpHeaders;
}

/** Why a source refused, in words, and after how long it may be asked again, in milliseconds. */
export interface Refusal {
  reason: string;
  retryAfter: number;
}

export interface Fetched<Body> extends SourceAnswer {
  body: Body;
  /** Bytes of the body, decoded. */
  size: number;
}

/** How long to go on trying, in milliseconds, and what stops it at once. */
export interface RetryPolicy {
  retryFor: number;
  signal: AbortSignal;
}

const LIMIT = 10 * 1024 * 1024; // bytes, decoded
const CONNECT_WITHIN = 5_000; // ms
const REQUEST_WITHIN = 25_000;
const REFUSAL_LIMIT = 64 * 1024; // bytes of a refusal's body, decoded, and ms to wait for them
const REFUSAL_WITHIN = 2_000;
const RETRIED_STATUSES = new Set([408, 429, 500, 502, 503, 504]);
const NEVER_BETTER = /^(CERT_|ERR_TLS|ERR_UNSUPPORTED|ERR_INVALID|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_)/;

// A failure that may pass, and after how long the other side asks to be tried again (ms).
class TransientError extends SourceError {
  readonly retryAfter: number | undefined;

  constructor(message: string, retryAfter?: number) {
    super(message);
    this.retryAfter = retryAfter;
  }
}

/**
 * The bytes at an address; none (undefined) if they are still those of `etag`. Throws a SourceError, or the signal's
 * reason.
 */
export async function fetchBytes(
  url: string,
  options: FetchOptions,
  patience: RetryPolicy,
): Promise<Fetched<Buffer | undefined>> {
  const { retryFor, signal } = patience;
  const end = performance.now() + retryFor;
  for (let attempt = 1; ; attempt++) {
    try {
      // A second try ends with our patience, or it would last as long again.
      const within = attempt === 1 ? REQUEST_WITHIN : Math.min(REQUEST_WITHIN, end - performance.now());
      return await fetchOnce(url, options, { signal, within });
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof TransientError)) throw error;
      const wait = error.retryAfter ?? Math.min(500 * 2 ** (attempt - 1), 8_000);
      // What the other side asked for is beyond our patience: trying earlier would be rude, and later is the next run.
      if (performance.now() + wait >= end) throw error;
      await pause(wait, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}

/** An address without what must not be shown: credentials, and a query, which may hold a token. */
export function publicUrl(text: string): string {
  if (!URL.canParse(text)) return 'its address';
  const { protocol, host, pathname, search } = new URL(text);
  return `${protocol}//${host}${pathname}${search === '' ? '' : '?…'}`;
}

/** What a Retry-After header asks for, in milliseconds from `now`: seconds, or a date (RFC 9110, section 10.2.3). */
export function parseRetryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d+$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

async function fetchOnce(
  url: string,
  options: FetchOptions,
  { signal, within }: { signal: AbortSignal; within: number },
): Promise<Fetched<Buffer | undefined>> {
  const condition = options.etag === undefined ? {} : { 'if-none-match': options.etag };
  const request = got.stream(url, {
    headers: { 'user-agent': 'taskwire', ...options.headers, ...condition },
    retry: { limit: 0 },
    throwHttpErrors: false, // it would read an error's body, without a limit
    // Elsewhere the operator has not told it to read, least of all with the token.
    followRedirect: answer => targetOf(answer, url)?.origin === new URL(url).origin,
    maxRedirects: 5,
    cookieJar: createCookieJar(),
    timeout: { connect: CONNECT_WITHIN, request: within },
    signal,
  });
  try {
    const [response]: Response[] = await once(request, 'response');
    if (!response) throw new SourceError(`${publicUrl(url)} did not answer`);
    const { statusCode: status, headers } = response;
    if (status === 304 && options.etag !== undefined) return { status, headers, body: undefined, size: 0 };
    refuseRedirect(response, url);
    if (status < 200 || status > 299) throw await toRefusal(response, request, url, options);
    const body = await readLimited(request, url);
    return { status, headers, body, size: body.length };
  } catch (error) {
    throw error instanceof SourceError ? error : toSourceError(error, url);
  } finally {
    request.on('error', () => {}); // what it says when it is cut off
    request.destroy();
  }
}

// Those within the origin have been followed by now.
function refuseRedirect(response: Response, url: string): void {
  const target = targetOf(response, url);
  if (!target) return;
  const where = publicUrl(target.href);
  throw new SourceError(
    `${publicUrl(url)} redirects to ${where}, which is another origin: it is not followed`,
  );
}

type Redirecting = Pick<Response, 'statusCode' | 'headers'> & { url?: string };

function targetOf({ statusCode, headers, url: here }: Redirecting, asked: string): URL | undefined {
  const { location } = headers;
  if (statusCode < 300 || statusCode > 399 || location === undefined) return undefined;
  return URL.canParse(location, here ?? asked) ? new URL(location, here ?? asked) : undefined;
}

async function toRefusal(
  { statusCode, statusMessage = '', headers }: Response,
  body: AsyncIterable<Uint8Array>,
  url: string,
  { explain, headers: sent = {} }: FetchOptions,
): Promise<SourceError> {
  const answered = `${publicUrl(url)} answered ${statusCode} ${statusMessage}`.trim();
  const refusal = explain?.({ status: statusCode, headers });
  if (refusal) return new TransientError(`${answered}: ${refusal.reason}`, refusal.retryAfter);
  const secrets = secretsOf(url, sent);
  const words = readRefusalWords(await readStart(body), headers['content-type'], secrets);
  const message = words === undefined || words === statusMessage ? answered : `${answered}: ${words}`;
  if (!RETRIED_STATUSES.has(statusCode)) return new SourceError(message);
  const retryAfter = parseRetryAfter(headers['retry-after'], Date.now());
  if (retryAfter === undefined) return new TransientError(message);
  return new TransientError(`${message}, and asks to wait ${Math.ceil(retryAfter / 1000)} s`, retryAfter);
}

// What is there of a refusal's body soon. It is worth no patience, and no failure of its own.
async function readStart(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  const reading = async () => {
    let size = 0;
    for await (const chunk of stream) {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= REFUSAL_LIMIT) return;
    }
  };
  await settleWithin(REFUSAL_WITHIN, reading());
  return Buffer.concat(chunks).subarray(0, REFUSAL_LIMIT);
}

// Counted after decoding: a few kilobytes of gzip can hold gigabytes.
async function readLimited(stream: AsyncIterable<Uint8Array>, url: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > LIMIT) throw new SourceError(`${publicUrl(url)} answered with more than 10 MB`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function toSourceError(error: unknown, url: string): SourceError {
  const { code, address, port } = networkFault(error);
  if (code === 'ERR_TOO_MANY_REDIRECTS') return new SourceError(`${publicUrl(url)} redirected too often`);
  const where = address === undefined ? new URL(url).hostname : `${address}:${port}`;
  const message = `could not be reached (${code} ${where})`;
  return NEVER_BETTER.test(code) ? new SourceError(message) : new TransientError(message);
}

interface NetworkFault {
  code: string;
  address?: unknown;
  port?: unknown;
}

// The fault lies at the bottom: got wraps Node's error, and Node wraps one for each address of the host.
function networkFault(error: unknown): NetworkFault {
  if (error instanceof AggregateError && error.errors.length > 0) return networkFault(error.errors[0]);
  if (error instanceof Error && error.cause instanceof Error) return networkFault(error.cause);
  if (!(error instanceof Error) || !('code' in error)) return { code: 'no answer' };
  return {
    code: String(error.code),
    ...('address' in error && { address: error.address }),
    ...('port' in error && { port: error.port }),
  };
}
