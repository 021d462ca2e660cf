// Fetches JSON from a source.
import type { IncomingHttpHeaders } from 'node:http';
import { type Fetched, type FetchOptions, fetchBytes, publicUrl, type RetryPolicy } from './fetch_bytes.ts';
import { SourceError } from './source_error.ts';

/** The JSON at an address, undefined if it is still that of `etag`. Throws a SourceError, or the signal's reason. */
export async function fetchJson(
  url: string,
  options: FetchOptions,
  patience: RetryPolicy,
): Promise<Fetched<unknown>> {
  const headers = { accept: 'application/json', ...options.headers };
  const fetched = await fetchBytes(url, { ...options, headers }, patience);
  return { ...fetched, body: fetched.body && parse(fetched.body, url, fetched.headers) };
}

function parse(bytes: Buffer, url: string, headers: IncomingHttpHeaders): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new SourceError(
      `${publicUrl(url)} did not answer with JSON (${headers['content-type'] ?? 'of no type'})`,
    );
  }
}
