// Who asks, and what it may: what operations and places declare, and what a request is known by.
import type { IncomingMessage } from 'node:http';
import { ServiceError } from '../errors.ts';
import { SCOPES, type Scope } from '../scopes.ts';

/** What is asked of a client: `open` is for everybody, else any one of the scopes is enough. */
export type Requirement = 'open' | readonly [Scope, ...Scope[]];

/** What a REST client's changes are signed with. */
interface Actor {
  readonly id: string;
  readonly name: string;
}

/** The client behind a request. */
export interface Caller {
  /** The token; undefined where none is asked for. */
  readonly token: Actor | undefined;
  readonly scopes: readonly Scope[];
  /** Calls once, when the token was revoked, has expired or was changed, at once if it was; the answer takes the call back. */
  whenEnded(listener: () => void): () => void;
}

/** Tells who asks. */
export interface Access {
  /** Whether a token is asked for at all. */
  readonly isAsked: boolean;
  /**
   * The client of a request, by its Authorization or, of a WebSocket, its subprotocols; it asks the database only
   * for a token that is not known yet. Rejects with a ServiceError: unauthenticated, or unavailable while it cannot be known which
   * tokens there are.
   */
  identify(request: IncomingMessage): Promise<Caller>;
}

/** Why a client is sent away that was let in before. */
export const TOKEN_ENDED = 'the token was revoked, has expired, or was changed';

const ALL_BUT_ADMIN = SCOPES.filter(scope => scope !== 'admin');

/** The client where no token is asked for: it may do everything that does not need an operator. */
export const ANYBODY: Caller = { token: undefined, scopes: ALL_BUT_ADMIN, whenEnded: () => () => {} };

/** Asks nobody for a token. */
export const OPEN_ACCESS: Access = { isAsked: false, identify: async () => ANYBODY };

const callers = new WeakMap<IncomingMessage, Caller>();

/** Keeps the client of a request beside it. */
export function setCaller(request: IncomingMessage, caller: Caller): void {
  callers.set(request, caller);
}

/** The client of a request: of an operation that is open to everybody nobody asks who it is. */
export function callerOf(request: IncomingMessage): Caller {
  return callers.get(request) ?? ANYBODY;
}

/** The refusal of a client that is not known; RFC 6750, section 3: one that sent nothing is not told of an error. */
export function unauthenticated(
  message: string,
  error: 'invalid_request' | 'invalid_token' | 'none' = 'invalid_token',
): ServiceError {
  const challenge = `Bearer realm="taskwire"${error === 'none' ? '' : `, error="${error}"`}`;
  return new ServiceError('unauthenticated', message, { headers: { 'WWW-Authenticate': challenge } });
}

/** Throws what a client is told that may not, naming the scope that it lacks. */
export function requireScope(caller: Caller, required: Requirement): void {
  if (required === 'open' || required.some(scope => caller.scopes.includes(scope))) return;
  throw lacking(required, caller);
}

/** The refusal of a client that has none of these scopes. */
export function lacking(required: readonly Scope[], { token }: Caller): ServiceError {
  const needs = `this needs the scope ${required.join(' or ')}`;
  return new ServiceError(
    'forbidden',
    token ? `${needs}, which the token ${token.name} does not have` : needs,
    {
      headers: {
        'WWW-Authenticate': `Bearer realm="taskwire", error="insufficient_scope", scope="${required.join(' ')}"`,
      },
      reason: 'scope',
    },
  );
}

// Which scope shows which topic, besides events:read, which shows all. Tables of an operator's own have none.
const SCOPE_OF_TOPIC: ReadonlyMap<string, Scope> = new Map([
  ['tasks', 'tasks:read'],
  ['currencies', 'currencies:read'],
  ['runs', 'generator:run'],
]);

/** What a place that tells of a topic requires, or of any topic, if none is given. */
export function requirementOf(topic: string | undefined): readonly [Scope, ...Scope[]] {
  if (topic === undefined) return ['events:read', ...SCOPE_OF_TOPIC.values()];
  const own = SCOPE_OF_TOPIC.get(topic);
  return own ? [own, 'events:read'] : ['events:read'];
}

/** The topics that a client may be told of; undefined for all. */
export function visibleTopicsOf({ scopes }: Caller): ReadonlySet<string> | undefined {
  if (scopes.includes('events:read')) return undefined;
  return new Set([...SCOPE_OF_TOPIC].filter(([, scope]) => scopes.includes(scope)).map(([topic]) => topic));
}

/** Whether a client may know that there is such a topic: those of every service it may, an operator's own it must be told of. */
export function mayName(caller: Caller, topic: string): boolean {
  return SCOPE_OF_TOPIC.has(topic) || visibleTopicsOf(caller) === undefined;
}
