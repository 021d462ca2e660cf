// Reads the issues of a GitHub repository, page by page: an open one is to do, a closed one is done. Pull requests,
// which GitHub lists among them, are left out.

import { z } from 'zod';
import { hasRelation, type Link, parseLinks } from '../../parsing/link_header.ts';
import { readFound, reasonOf } from '../fetch/fault_words.ts';
import { parseRetryAfter, publicUrl, type Refusal, type SourceAnswer } from '../fetch/fetch_bytes.ts';
import { SourceError } from '../fetch/source_error.ts';
import { type FoundItem, type ReadPage, type SourceAdapter, type SourceContext, toItem } from './source.ts';

const HEADERS = { accept: 'application/vnd.github+json', 'x-github-api-version': '2022-11-28' };
const PAGE_SIZE = 100; // the most that GitHub gives
const MOST_PAGES = 100; // remembered: the oldest issues, which change least; both bound the memory
const MOST_BYTES = 64 * 1024 * 1024;
const SHORTEST_WAIT = 1_000; // ms; the clocks may differ, and asking again and again until they agree would be rude

const Label = z.union(
  [z.string(), z.object({ name: z.string() }).transform(({ name }) => name)],
  'must be a name, or an object with one',
);
const Issue = z.object({
  id: z.int().transform(String),
  title: z.string(),
  body: z.string().nullable(),
  state: z.enum(['open', 'closed']),
  labels: z.array(Label),
});
const PullRequest = z.object({ pull_request: z.object({}) });

export const github: SourceAdapter = {
  name: 'github',
  defaultUrl: undefined,
  needsUrl: true,

  async *read(context) {
    const visited = new Set<string>();
    for (let url: string | undefined = firstPage(context.url); url !== undefined; ) {
      if (visited.has(url)) throw new SourceError(`${publicUrl(url)} leads back to a page that was read`);
      visited.add(url);
      const page: Page = await readPage(url, visited.size, context);
      yield* page.items;
      url = page.next;
    }
    for (const url of context.pages.keys()) if (!visited.has(url)) context.pages.delete(url);
  },
};

/** Whether an answer is GitHub's rate limit, in words, and how long it lasts from `now`. */
export function readRateLimit({ status, headers }: SourceAnswer, now: number): Refusal | undefined {
  if (status !== 403 && status !== 429) return undefined;
  const asked = parseRetryAfter(headers['retry-after'], now);
  const reset = String(headers['x-ratelimit-reset']);
  if (headers['x-ratelimit-remaining'] === '0' && /^\d{1,12}$/.test(reset)) {
    const at = Number(reset) * 1000;
    const reason = `rate limit, resets at ${new Date(at).toISOString().replace('.000Z', 'Z')}`;
    return { reason, retryAfter: Math.max(at - now, asked ?? 0, SHORTEST_WAIT) };
  }
  if (asked === undefined) return undefined;
  return { reason: `rate limit, asks to wait ${Math.ceil(asked / 1000)} s`, retryAfter: asked };
}

type Page = Pick<ReadPage, 'items' | 'next'>;

// In the order of their creation new issues come last and changed ones stay where they are, so no page loses any to
// the one before while we read. What the address asks for besides, such as state=open, it gets.
function firstPage(address: string): string {
  const url = new URL(address);
  const { searchParams: query } = url;
  if (!query.has('state')) query.set('state', 'all');
  if (!query.has('per_page')) query.set('per_page', String(PAGE_SIZE));
  query.set('sort', 'created');
  query.set('direction', 'asc');
  return url.href;
}

// A page is asked for on condition that it has changed, which costs nothing of the rate limit if we say who we are.
// Its items are remembered beside its ETag: another instance may have written newer ones, and what could not be
// imported last time is offered again. Not in a table: a restart costs one full read, which is what a first start is.
async function readPage(url: string, number: number, context: SourceContext): Promise<Page> {
  const { pages } = context;
  const known = pages.get(url);
  const { status, body, headers, size } = await context.fetchJson(url, {
    headers: context.token === undefined ? HEADERS : { ...HEADERS, authorization: `Bearer ${context.token}` },
    etag: known?.etag,
    explain: answer => readRateLimit(answer, Date.now()),
  });
  if (status === 304 && known) return known;
  pages.delete(url);
  if (!Array.isArray(body)) throw new SourceError(`${publicUrl(url)} did not answer with a list`);
  const items = body.flatMap((entry, index) => toFound(entry, `entry ${index + 1} of page ${number}`));
  const next = nextPage(String(headers.link ?? ''), url);
  // A full last page gets a next one without changing, and its ETag need not tell.
  const tells = next !== undefined || body.length < sizeOf(url);
  const { etag } = headers;
  if (etag !== undefined && tells && hasRoom(pages, size)) pages.set(url, { etag, items, next, size });
  return { items, next };
}

function hasRoom(pages: SourceContext['pages'], size: number): boolean {
  const remembered = [...pages.values()].reduce((sum, page) => sum + page.size, 0);
  return pages.size < MOST_PAGES && remembered + size <= MOST_BYTES;
}

function sizeOf(url: string): number {
  return Math.min(PAGE_SIZE, Number(new URL(url).searchParams.get('per_page') ?? PAGE_SIZE));
}

// An issue that breaks a rule of tasks, with too long a body or too many labels, is not bent until it fits: it is
// rejected with its reason.
function toFound(entry: unknown, place: string): FoundItem[] {
  if (PullRequest.safeParse(entry).success) return [];
  const result = readFound(Issue, entry);
  if (result.success) {
    const { id, title, body, state, labels } = result.data;
    return [toItem(id, { title, description: body, status: state === 'open' ? 'todo' : 'done', labels })];
  }
  const id = Issue.pick({ id: true }).safeParse(entry);
  return [{ external_id: id.success ? id.data.id : null, refused: `${place}: ${reasonOf(result.error)}` }];
}

// The address after this one. Never on another host: it would be sent the token. A header that cannot be read fails the
// run, for a list that ends too early looks like a whole one.
function nextPage(header: string, url: string): string | undefined {
  const links = parseLinks(header);
  if (!links) throw new SourceError(`${publicUrl(url)} has a Link header that cannot be read`);
  const link = links.find(link => hasRelation(link, 'next') && isOfPage(link, url));
  if (!link) return undefined;
  const here = new URL(url);
  const next = URL.canParse(link.target, url) ? new URL(link.target, url) : undefined;
  if (next?.origin !== here.origin) {
    throw new SourceError(`${publicUrl(url)} names a next page that is not on ${here.host}`);
  }
  next.username = here.username;
  next.password = here.password;
  next.hash = ''; // of the same page there are as many as one likes
  return next.href;
}

// A link with an anchor is one from there, which may be elsewhere.
function isOfPage({ parameters }: Link, url: string): boolean {
  const anchor = parameters.get('anchor');
  if (anchor === undefined) return true;
  if (!URL.canParse(anchor, url)) return false;
  const there = new URL(anchor, url);
  const here = new URL(url);
  return (['origin', 'pathname', 'search', 'hash'] as const).every(part => there[part] === here[part]);
}
