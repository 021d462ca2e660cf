// An operation of the REST API as data: it is routed, checked and documented from this description and nothing else.
import type { Context } from 'koa';
import type { z } from 'zod';
import type { ErrorCode } from '../errors.ts';
import type { TopicInfo } from '../events.ts';
import type { Requirement } from './access.ts';

/** A body that an operation takes: of which media types, and what must be in it. */
interface RequestBody<Schema extends z.ZodType = z.ZodType> {
  schema: Schema;
  types: readonly string[];
}

/** How an operation answers with one status. */
export interface Answer {
  description: string;
  /** What the body is. Without it and without a type there is none. */
  schema?: z.ZodType | undefined;
  /** The body's media type, or all that it may have: the schema is of JSON. Without it application/json. */
  type?: string | readonly string[] | undefined;
  /** The headers that are part of the answer, and what each says. */
  headers?: Readonly<Record<string, string>> | undefined;
}

/** What came in, checked: as the schemas give it back; undefined where there is no schema. */
interface Input<Params = unknown, Query = unknown, Headers = unknown, Body = unknown> {
  params: Params;
  query: Query;
  headers: Headers;
  body: Body;
}

interface Described<
  Params extends z.ZodType,
  Query extends z.ZodType,
  Headers extends z.ZodType,
  Body extends z.ZodType,
  More extends unknown[],
> {
  /** OpenAPI's operationId. */
  id: string;
  method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** As OpenAPI writes it: /tasks/{id}. */
  path: string;
  /** One sentence. */
  summary: string;
  tag: string;
  /** What its client must be allowed to: asked before anything else is looked at. */
  access: Requirement;
  /** Clients that may ask whatever they are allowed to. */
  isExempt?: ((ctx: Context) => boolean) | undefined;
  /** What stands in the path. What does not fit is 404 with the schema's message, whatever is wrong behind it. */
  params?: Params | undefined;
  /** Each parameter as the list of its values, see query.ts. Without it whatever is asked is ignored. */
  query?: Query | undefined;
  /** The headers that it reads, by their names; one that is missing or empty is undefined. */
  headers?: Headers | undefined;
  body?: RequestBody<Body> | undefined;
  answers: Readonly<Record<number, Answer>>;
  /** The topic of which its answer of 200 is a row: so the documents know what that topic's events tell of. */
  shows?: TopicInfo | undefined;
  /**
   * What it takes out of its client's bucket; without it 1 to read and 5 to write. A function tells it of the input, once
   * that has been checked: until then it costs what it would without.
   */
  cost?:
    | number
    | ((input: Input<z.output<Params>, z.output<Query>, z.output<Headers>, z.output<Body>>) => number)
    | undefined;
  /** The errors that it has besides those of refusalsOf(). */
  refusals?: readonly ErrorCode[] | undefined;
  /** Answers. Everything in `input` has been checked; `more` is what a wrapper of the operation gives it. */
  handle(
    ctx: Context,
    input: Input<z.output<Params>, z.output<Query>, z.output<Headers>, z.output<Body>>,
    ...more: More
  ): unknown;
}

/** Any operation, as the router and the documents see it. */
export type Operation<More extends unknown[] = []> = Described<
  z.ZodObject,
  z.ZodObject,
  z.ZodObject,
  z.ZodType,
  More
>;

type Nothing = z.ZodType<undefined>;

/** An operation whose input has the types of its schemas. */
export function operation<
  Params extends z.ZodType = Nothing,
  Query extends z.ZodType = Nothing,
  Headers extends z.ZodType = Nothing,
  Body extends z.ZodType = Nothing,
  More extends unknown[] = [],
>(described: Described<Params, Query, Headers, Body, More>): Operation<More> {
  return described as unknown as Operation<More>; // the router gives handle() what the schemas beside it made
}

/** What it costs to read, and what it costs to write or to search. */
export const COST = { read: 1, write: 5, search: 5 } as const;

/** What an operation costs its client before its input is known. */
export function leastCostOf({ access, cost, method }: Pick<Operation, 'access' | 'cost' | 'method'>): number {
  if (access === 'open') return 0; // of these a client is not known
  if (typeof cost === 'number') return cost;
  return method === 'get' ? COST.read : COST.write;
}

const ALWAYS: readonly ErrorCode[] = [
  'malformed',
  'forbidden',
  'unavailable',
  'busy',
  'not_writable',
  'busy',
  'timeout',
  'internal',
];
const OF_BODIES: readonly ErrorCode[] = ['too_large', 'unsupported_media_type', 'invalid'];

/** Every error that an operation can answer: those of any request, of its parts, and its own. */
export function refusalsOf({ access, params, body, cost, refusals = [] }: Operation): readonly ErrorCode[] {
  const all = [
    ...ALWAYS,
    ...(access === 'open' ? [] : (['unauthenticated'] as const)),
    ...(access === 'open' || cost === 0 ? [] : (['too_many_requests'] as const)),
    ...(params ? (['not_found'] as const) : []),
    ...(body ? OF_BODIES : []),
    ...refusals,
  ];
  return [...new Set(all)];
}
