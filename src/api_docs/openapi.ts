// The REST API as an OpenAPI 3.1 document, made of its operations: there is nothing in it that they do not say.
import { CATALOGUE, type CatalogueEntry, type ErrorCode } from '../errors.ts';
import { Problem, problemType } from '../http/middleware/problems.ts';
import { SCOPES } from '../scopes.ts';
import { type Answer, type Operation, refusalsOf } from '../web/operation.ts';
import { createSchemas, type JsonSchema, type Parameter, parametersOf, type Schemas } from './json_schema.ts';
import { describeEvents, topicsOf } from './topics.ts';

type Json = Record<string, unknown>;

interface Response {
  description: string;
  headers?: Json;
  content?: Json;
  /** The `type` of the problems that it may be. */
  'x-problem-types'?: readonly string[];
}

const DESCRIPTION = `Tasks over REST; every committed change, whoever made it, is an event in one gapless order.

- Every \`GET\` has a \`HEAD\` with the same status and headers and no body. \`OPTIONS\` of any path answers 204 with \`Allow\`.
- Errors are \`application/problem+json\` (RFC 9457); the \`type\` of each leads to its explanation, see [/problems](/problems).
- Unknown query parameters and unknown fields are refused, by name.
- What is no HTTP at all, or has a head of more than 16 KiB, gets a bare 400, 408 or 431 and loses its connection.
- WebSockets and the event stream are described in [/asyncapi.json](/asyncapi.json).`;

const GENERAL_HEADERS = {
  'X-Request-Id': header('Names the request: as the client sent it, or made by the service.', true),
  'Cache-Control': header('Whether and how long the answer may be kept.', true),
  'X-Content-Type-Options': header('`nosniff`', true),
  'RateLimit-Policy': header(
    'Where requests are limited: how much (`q`) a client may ask for in how many seconds (`w`).',
  ),
  RateLimit: header(
    'Where requests are limited: what is left (`r`), and in how many seconds all of it is (`t`).',
  ),
};
const GENERAL = Object.fromEntries(
  Object.keys(GENERAL_HEADERS).map(name => [name, { $ref: `#/components/headers/${name}` }]),
);
const REQUEST_ID = {
  name: 'X-Request-Id',
  in: 'header',
  description: 'A name for the request, of 1 to 200 visible ASCII characters; any other is replaced.',
  schema: { type: 'string' },
};
/** How a token is sent, and what it may allow, in both documents. */
export const TOKEN_SCHEME = {
  type: 'http',
  scheme: 'bearer',
  description: `A token of this service, as \`npm run token -- create\` prints it; its scopes are among ${SCOPES.join(', ')}.`,
};
// What any request may get that meets no operation.
const ELSEWHERE = [
  'malformed',
  'forbidden',
  'not_found',
  'method_not_allowed',
  'upgrade_required',
  'internal',
  'unavailable',
] as const;

/** The document. Throws where two schemas of one name differ. */
export function describeHttp(
  operations: readonly Operation[],
  { version, asksForToken }: { version: string; asksForToken: boolean },
) {
  const schemas = createSchemas('draft-2020-12');
  const responses: Record<string, Response> = {};
  schemas.output(Problem);
  const paths: Record<string, Json> = {};
  for (const each of operations) {
    paths[each.path] ??= {};
    Object.assign(paths[each.path] as Json, {
      [each.method]: describe(each, { schemas, responses, asksForToken }),
    });
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Taskwire',
      version,
      description: DESCRIPTION,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    externalDocs: { description: 'The WebSockets, as AsyncAPI', url: '/asyncapi.json' },
    servers: [{ url: '/', description: 'Where this document is from.' }],
    tags: [...new Set(operations.map(({ tag }) => tag))].map(name => ({ name })),
    paths,
    // Not part of any path: what OPTIONS answers, and what a request gets that no operation is for.
    'x-unmatched': { responses: answerNotFound(responses) },
    components: {
      schemas: describeEvents(topicsOf(operations), schemas),
      responses,
      headers: GENERAL_HEADERS,
      parameters: { 'X-Request-Id': REQUEST_ID },
      securitySchemes: { token: TOKEN_SCHEME },
    },
  };
}

interface Document {
  schemas: Schemas;
  responses: Record<string, Response>;
  asksForToken: boolean;
}

function describe(operation: Operation, { schemas, responses, asksForToken }: Document): Json {
  const { id, summary, tag, params, query, headers, body } = operation;
  return {
    operationId: id,
    summary,
    tags: [tag],
    security: securityOf(operation, asksForToken),
    parameters: [
      ...(params ? parametersOf(params, schemas).map(each => ({ ...each, in: 'path', required: true })) : []),
      ...(query ? parametersOf(query, schemas).map(each => ({ ...each, in: 'query' })) : []),
      ...(headers ? parametersOf(headers, schemas).map(headerParameter) : []),
      { $ref: '#/components/parameters/X-Request-Id' },
    ],
    ...(body && {
      requestBody: { required: true, content: contentOf(body.types, schemas.body(body.schema)) },
    }),
    responses: responsesOf(operation, schemas, responses),
  };
}

// One alternative for each scope that is enough, and none at all where that is enough, too: OpenAPI 3.1, section 4.8.30.
function securityOf({ access, isExempt }: Operation, asksForToken: boolean): Json[] {
  if (access === 'open') return [];
  const isOptional = isExempt !== undefined || !asksForToken;
  return [...access.map(scope => ({ token: [scope] })), ...(isOptional ? [{}] : [])];
}

// A header is a text, whatever is read from it.
function headerParameter({ schema, ...rest }: Parameter): Json {
  return { ...rest, in: 'header', schema: schema.type === 'string' ? schema : { type: 'string' } };
}

// By status: what the operation answers, and how it refuses; of one status both may be.
function responsesOf(operation: Operation, schemas: Schemas, components: Record<string, Response>): Json {
  const answers = Object.entries(operation.answers).map(
    ([status, answer]) => [status, responseOf(answer, schemas)] as const,
  );
  const refusals = [...byStatus(refusalsOf(operation))].map(
    ([status, codes]) => [String(status), { $ref: refusalOf(codes, components) }] as const,
  );
  const all: Record<string, Response | { $ref: string }> = Object.fromEntries(refusals);
  for (const [status, answer] of answers) {
    const refusal = components[all[status] && '$ref' in all[status] ? nameOf(all[status].$ref) : ''];
    all[status] = refusal ? merge(answer, refusal) : answer;
  }
  return all;
}

function responseOf({ description, schema, type, headers }: Answer, schemas: Schemas): Response {
  const types = type === undefined ? (schema ? ['application/json'] : []) : [type].flat();
  const json = schema && schemas.output(schema);
  const own = Object.entries(headers ?? {}).map(([name, words]) => [name, header(words)]);
  const content = types.map(each => [each, { schema: json && isJson(each) ? json : { type: 'string' } }]);
  return {
    description,
    headers: { ...GENERAL, ...Object.fromEntries(own) },
    ...(content.length > 0 && { content: Object.fromEntries(content) }),
  };
}

function merge(one: Response, other: Response): Response {
  return {
    description: `${one.description} Or: ${other.description}`,
    headers: { ...one.headers, ...other.headers },
    content: { ...one.content, ...other.content },
    ...(other['x-problem-types'] && { 'x-problem-types': other['x-problem-types'] }),
  };
}

// The reference to the response of some errors of one status, which is made a component the first time.
function refusalOf(codes: readonly ErrorCode[], components: Record<string, Response>): string {
  const name = codes.join('_or_');
  components[name] ??= refusing(codes);
  return `#/components/responses/${name}`;
}

function refusing(codes: readonly ErrorCode[]): Response {
  const entries: CatalogueEntry[] = codes.map(code => CATALOGUE[code]);
  const own = entries.flatMap(({ headers = {} }) => Object.entries(headers));
  return {
    description: entries.map(({ explanation }) => explanation).join(' Or: '),
    // Beside the schema, not in it: generators that cannot merge schemas would leave the whole answer out.
    'x-problem-types': codes.map(problemType),
    headers: { ...GENERAL, ...Object.fromEntries(own.map(([name, words]) => [name, header(words)])) },
    content: {
      'application/problem+json': {
        schema: { $ref: '#/components/schemas/Problem' },
        examples: Object.fromEntries(codes.map(code => [code, { value: exampleOf(code) }])),
      },
    },
  };
}

function exampleOf(code: ErrorCode): Json {
  const { status, title, explanation } = CATALOGUE[code];
  const known = Problem.meta()?.example as Json;
  const { instance, request_id } = known;
  const made = { type: problemType(code), title, status, detail: explanation, instance, request_id };
  return known.type === made.type ? known : made;
}

function answerNotFound(components: Record<string, Response>): Json {
  const refusals = [...byStatus(ELSEWHERE)].map(([status, codes]) => [
    status,
    { $ref: refusalOf(codes, components) },
  ]);
  const options = {
    description: 'OPTIONS: what the path takes.',
    headers: { ...GENERAL, Allow: header('The methods that it takes.', true) },
  };
  return { 204: options, ...Object.fromEntries(refusals) };
}

function byStatus(codes: readonly ErrorCode[]): Map<number, ErrorCode[]> {
  return Map.groupBy(codes, code => CATALOGUE[code].status);
}

function contentOf(types: readonly string[], schema: JsonSchema): Json {
  return Object.fromEntries(types.map(type => [type, { schema }]));
}

function header(description: string, required = false): Json {
  return { description, ...(required && { required }), schema: { type: 'string' } };
}

const isJson = (type: string) => /\bjson$/.test(type);
const nameOf = (reference: string) => reference.slice(reference.lastIndexOf('/') + 1);
