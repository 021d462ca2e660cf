// Whatever is sent, the service answers, and as its own document says. The requests are made up from that document, so
// an operation that comes later is tried as well. FUZZ=100000 tries for long; TEST_SEED=<seed> repeats a run.
import { Agent, type IncomingMessage, request } from 'node:http';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import anyTest, { type TestFn } from 'ava';
import fc from 'fast-check';
import { type Conformance, conformanceAt, type Exchange } from '../helpers/conformance.ts';
import { type MadeUp, requestsTo } from '../helpers/hostile.ts';
import { type Context, withInstance } from '../helpers/instance.ts';
import { createRandom } from '../helpers/random.ts';

const test = anyTest as TestFn<Context>;
withInstance(test);

const RUNS = Number(process.env.FUZZ ?? 400);
const LANES = 4; // that try side by side
const PATIENCE = 20_000; // ms for an answer; nothing asks to wait for longer than a second
const MOST_IDS = 200;

test('no request is answered with a fault of the service, with what is not documented, or not at all, and what is forbidden is not taken', async t => {
  t.timeout(60_000 + RUNS * 100);
  const { seed } = createRandom(t.log);
  const conformance = await conformanceAt(t.context.instance.address);
  const agent = new Agent({ keepAlive: true, maxSockets: LANES });
  t.teardown(() => agent.destroy());
  const ids: string[] = [];
  let busy = 0; // a database on a crowded machine may be late
  const seen = new Map<string, Map<number, number>>();
  const tried = fc.asyncProperty(
    requestsTo(conformance.document, () => ids),
    async made => {
      const exchange = await send(t.context.instance.address, made, agent);
      count(seen, conformance, exchange);
      if (exchange.status === 503) busy++;
      else if (exchange.status >= 500) throw new Error(`${exchange.status}: ${exchange.body}`);
      conformance.check(exchange);
      if (exchange.status < 300) conformance.checkTaken({ ...exchange, readBody: () => jsonOf(made) });
      keepIds(ids, exchange);
    },
  );
  const lanes = Array.from({ length: LANES }, (_, lane) =>
    fc.check(tried, { numRuns: RUNS / LANES, seed: (seed + lane) | 0 }),
  );
  const results = await Promise.all(lanes);
  for (const [operation, statuses] of [...seen].sort())
    t.log(operation, JSON.stringify(Object.fromEntries(statuses)));
  for (const { failed, counterexample, errorInstance } of results)
    if (failed) t.fail(`${errorInstance}\n${JSON.stringify(counterexample?.[0], undefined, 1)}`);
  t.is(
    results.reduce((sum, { numRuns }) => sum + numRuns, 0),
    RUNS,
  );
  t.true(busy <= Math.max(1, RUNS / 1_000), `${busy} answers of 503`);
  if (RUNS >= 10_000) t.deepEqual(neverGood(seen, conformance), []);
});

async function send(address: string, made: MadeUp, agent: Agent): Promise<Exchange> {
  const { method, target, headers, body } = made;
  const { hostname, port } = new URL(address);
  const asked = request({ hostname, port, method, path: target, agent, setHost: true });
  const byName = Map.groupBy(headers, ([name]) => name);
  for (const [name, list] of byName)
    asked.setHeader(
      name,
      list.map(([, value]) => value),
    );
  if (body) asked.setHeader('Content-Length', body.length);
  const answered = Promise.withResolvers<IncomingMessage>();
  asked.on('response', answered.resolve);
  asked.on('error', answered.reject);
  asked.setTimeout(PATIENCE, () => asked.destroy(new Error('there was no answer')));
  asked.end(body);
  const response = await answered.promise;
  const isStream = response.headers['content-type']?.startsWith('text/event-stream') ?? false;
  const text = isStream ? undefined : await textOf(response);
  if (isStream) asked.destroy();
  const status = response.statusCode ?? 0;
  return { method, path: target, status, headers: new Headers(pairsOf(response)), body: text };
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const decode = DECODERS[response.headers['content-encoding'] ?? ''];
  return String(decode && bytes.length > 0 ? decode(bytes) : bytes);
}

const DECODERS: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  br: brotliDecompressSync,
  gzip: gunzipSync,
};

function pairsOf({ rawHeaders }: IncomingMessage): [string, string][] {
  return rawHeaders.flatMap((name, at): [string, string][] =>
    at % 2 === 0 ? [[name, rawHeaders[at + 1] ?? '']] : [],
  );
}

function jsonOf({ body, headers }: MadeUp): unknown {
  if (!body) return undefined;
  const coding = headers.find(([name]) => name === 'Content-Encoding')?.[1];
  return JSON.parse(String(coding === 'gzip' ? gunzipSync(body) : body));
}

// What was made is asked for later.
function keepIds(ids: string[], { status, body = '' }: Exchange): void {
  const id = status < 300 ? /^\{\s*"id"\s*:\s*"([\w-]+)"/.exec(body)?.[1] : undefined;
  if (id === undefined || ids.includes(id)) return;
  ids.push(id);
  if (ids.length > MOST_IDS) ids.shift();
}

function count(seen: Map<string, Map<number, number>>, { find }: Conformance, exchange: Exchange): void {
  const operation = find(exchange.method, exchange.path);
  const name = operation ? `${operation.method} ${operation.path}` : 'none';
  const statuses = seen.get(name) ?? new Map<number, number>();
  seen.set(name, statuses.set(exchange.status, (statuses.get(exchange.status) ?? 0) + 1));
}

// What chance does not bring about: two codes of currencies that are there; NATS.
const OUT_OF_REACH = new Set(['get /currencies/convert', 'post /test/nats']);

// A generator whose requests are all refused would show nothing.
function neverGood(seen: Map<string, Map<number, number>>, { document }: Conformance): string[] {
  const names = Object.entries<object>(document.paths).flatMap(([path, item]) =>
    Object.keys(item).map(method => `${method} ${path}`),
  );
  return names.filter(
    name => !OUT_OF_REACH.has(name) && ![...(seen.get(name)?.keys() ?? [])].some(status => status < 300),
  );
}
