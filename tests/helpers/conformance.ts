// Holds answers of the service against its own OpenAPI document: what is not documented there must not be answered.
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

/** A request that was answered. */
export interface Exchange {
  method: string;
  path: string;
  status: number;
  headers: Headers;
  /** Undefined where it was not read, as a stream's. */
  body: string | undefined;
}

export interface Conformance {
  readonly document: Document;
  /** The operation that a request is of, if any: its path and method as the document has them. */
  find(method: string, path: string): { path: string; method: string } | undefined;
  /** Throws an error that says what of the answer the document does not know. */
  check(exchange: Exchange): void;
  /** Throws an error that says what of a request, which was not refused, the document forbids. */
  checkTaken(request: { method: string; path: string; readBody: () => unknown }): void;
}

// biome-ignore lint/suspicious/noExplicitAny: a document of another format, of which tests look at everything
export type Document = any;

// Of HTTP itself and what stands between (RFC 9110, 9111): no operation's affair.
const COMMON = new Set([
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'date',
  'keep-alive',
  'server',
  'transfer-encoding',
  'vary',
  'access-control-allow-origin',
  'access-control-expose-headers',
]);

/** What holds answers against a document. */
export function conformTo(document: Document): Conformance {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema(document, 'openapi');
  // What stands in a path is shortest where it is literal: /tasks/batch comes before /tasks/{id}.
  const paths = Object.keys(document.paths).sort((a, b) => parametersIn(a) - parametersIn(b));
  const patterns = paths.map(path => ({ path, pattern: patternOf(path) }));

  function find(method: string, target: string) {
    const asked = target.split(/[?#]/, 1)[0] ?? '';
    const name = method === 'HEAD' ? 'get' : method.toLowerCase();
    const path = patterns.find(({ pattern }) => pattern.test(asked))?.path;
    return path !== undefined && name in document.paths[path] ? { path, method: name } : undefined;
  }

  function responseFor({ method, path, status }: Exchange): [Document, string] {
    const operation = find(method, path);
    const endpoint = operation ? `paths/${pointer(operation.path)}/${operation.method}` : 'x-unmatched';
    const { responses } = operation
      ? document.paths[operation.path][operation.method]
      : document['x-unmatched'];
    const response = responses[status];
    if (!response) throw new Error(`the document has no ${status} at ${endpoint}`);
    return response.$ref
      ? [document.components.responses[response.$ref.split('/').pop()], response.$ref]
      : [response, `#/${endpoint}/responses/${status}`];
  }

  function checkBody(
    { method, status, headers, body }: Exchange,
    response: Document,
    endpoint: string,
  ): void {
    if (body === undefined) return;
    const isBare = method === 'HEAD' || status === 304 || !response.content;
    if (isBare) {
      if (body !== '') throw new Error(`there is a body where the document has none: ${body.slice(0, 200)}`);
      return;
    }
    const type = headers.get('content-type')?.split(';', 1)[0] ?? '';
    if (!response.content[type]) throw new Error(`the document has no content of type ${type || 'none'}`);
    if (!/json$/.test(type)) return;
    checkType(JSON.parse(body), type, response);
    const validate = ajv.getSchema(`openapi${endpoint}/content/${pointer(type)}/schema`);
    if (!validate?.(JSON.parse(body)))
      throw new Error(`the body is not as documented: ${ajv.errorsText(validate?.errors)}`);
  }

  function checkTaken({ method, path: target, readBody }: Parameters<Conformance['checkTaken']>[0]): void {
    const operation = find(method, target);
    if (!operation) return;
    const { parameters, requestBody } = document.paths[operation.path][operation.method];
    const names = parameters
      .filter((each: Document) => each.in === 'query')
      .map(({ name }: Document) => name);
    for (const name of new URLSearchParams(target.split('?').slice(1).join('?')).keys())
      if (!names.includes(name)) throw new Error(`${method} ${target} was taken with the parameter ${name}`);
    if (!requestBody || method === 'HEAD') return;
    const endpoint = `paths/${pointer(operation.path)}/${operation.method}/requestBody/content`;
    const [type = ''] = Object.keys(requestBody.content);
    const validate = ajv.getSchema(`openapi#/${endpoint}/${pointer(type)}/schema`);
    const body = readBody();
    if (validate?.(body)) return;
    throw new Error(`a body was taken: ${ajv.errorsText(validate?.errors)}\n${JSON.stringify(body)}`);
  }

  return {
    document,
    find,
    checkTaken,
    check(exchange) {
      try {
        const [response, endpoint] = responseFor(exchange);
        checkHeaders(exchange.headers, response, document);
        checkBody(exchange, response, endpoint);
      } catch (error) {
        const { method, path, status, body } = exchange;
        const what = `${method} ${path.slice(0, 300)} → ${status} ${body?.slice(0, 1_000)}`;
        throw new Error(`${(error as Error).message}\n${what}`);
      }
    },
  };
}

const known = new Map<string, Promise<Conformance>>();

/** What holds answers of the service at an address against the document that it gives itself. */
export function conformanceAt(url: string): Promise<Conformance> {
  const found = known.get(url) ?? load(url);
  known.set(url, found);
  found.catch(() => known.delete(url));
  return found;
}

async function load(url: string): Promise<Conformance> {
  return conformTo(await (await fetch(`${url}/openapi.json`)).json());
}

function checkHeaders(headers: Headers, response: Document, document: Document): void {
  const documented = new Map<string, Document>();
  for (const [name, header] of Object.entries<Document>(response.headers ?? {}))
    documented.set(name.toLowerCase(), header.$ref ? document.components.headers[name] : header);
  for (const [name, { required }] of documented)
    if (required && !headers.has(name)) throw new Error(`the header ${name} is missing`);
  for (const name of headers.keys())
    if (!COMMON.has(name) && !documented.has(name)) throw new Error(`the header ${name} is not documented`);
}

function checkType(body: Document, type: string, { 'x-problem-types': known }: Document): void {
  if (type !== 'application/problem+json' || known.includes(body.type)) return;
  throw new Error(`the document has no problem ${body.type} there`);
}

// As the router matches: whatever the case, and with or without a slash at the end.
function patternOf(path: string): RegExp {
  const escaped = path.replaceAll(/[.*+?^$()|[\]\\]/g, '\\$&').replaceAll(/\{\w+\}/g, '[^/]+');
  return new RegExp(`^${escaped}/?$`, 'i');
}

const parametersIn = (path: string) => path.split('{').length;
const pointer = (key: string) =>
  key.replaceAll('~', '~0').replaceAll('/', '~1').replaceAll(/[{}]/g, encodeURIComponent);
