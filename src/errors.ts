// The catalogue of errors: what each is called, how it answers over HTTP, and whose fault it is.

/** What is said of an error. */
export interface CatalogueEntry {
  status: number;
  title: string;
  /** For the reader of the page that a problem's type leads to. */
  explanation: string;
  /** The headers that its answer may have, and what each says. */
  headers?: Readonly<Record<string, string>>;
}

const RETRY_AFTER = { 'Retry-After': 'In how many seconds to try again.' };

/** What was asked for is below the floor of the log by now. */
export class CutOff extends Error {
  override name = 'CutOff';
}

/** A file of the archive that cannot be read as it was written; the message names it, and what is wrong with it. */
export class ArchiveDamaged extends Error {
  override name = 'ArchiveDamaged';
}

/** Every way in which the service says no. The key is the code and the last part of the problem's type. */
export const CATALOGUE = {
  malformed: {
    status: 400,
    title: 'The request is malformed',
    explanation:
      'The body is not JSON, or a query parameter or header is unknown or wrong. errors names the parameters.',
  },
  unauthenticated: {
    status: 401,
    title: 'A token is needed',
    explanation:
      'A client must show a token that is valid: Authorization: Bearer twk_…. It was missing, mistyped, revoked, or has expired.',
    headers: { 'WWW-Authenticate': 'How to say who asks (RFC 6750).' },
  },
  forbidden: {
    status: 403,
    title: 'Not allowed',
    explanation:
      'Who you are may not do this: detail names the scope that your token lacks, or what else is in the way.',
    headers: { 'WWW-Authenticate': 'Where the token lacks a scope: which one (RFC 6750).' },
  },
  not_found: {
    status: 404,
    title: 'There is no such thing',
    explanation: 'The path leads nowhere, or the thing it names was deleted or never existed.',
  },
  method_not_allowed: {
    status: 405,
    title: 'The resource does not take this method',
    explanation: 'The path exists, but not for this method. The Allow header lists those it takes.',
    headers: { Allow: 'The methods that it takes.' },
  },
  request_timeout: {
    status: 408,
    title: 'The request took too long to arrive',
    explanation: 'A request, its body included, has 30 s to arrive. Send it again.',
  },
  conflict: {
    status: 409,
    title: 'The request conflicts with the present state',
    explanation: 'What is there now contradicts the request. Read it, then decide.',
    headers: { 'Retry-After': 'Where it will pass by itself: in how many seconds to try again.' },
  },
  gone: {
    status: 410,
    title: 'The log no longer has it',
    explanation:
      'A position of the log cannot be resumed from: what follows is no longer kept (retention), it lies beyond the head (ahead), or it is from another log (other_log). Begin with the present state.',
  },
  stale: {
    status: 412,
    title: 'The resource has changed since',
    explanation:
      'If-Match names a version that is not the present one, or If-None-Match the present one: another client was faster. Read again, then repeat.',
  },
  too_large: {
    status: 413,
    title: 'The body is too large, or its answer would be',
    explanation:
      'A body may have 1 MiB after decoding, and the answer to a batch 4 MiB. Split it. Nothing was changed.',
  },
  unsupported_media_type: {
    status: 415,
    title: 'The body is not JSON',
    explanation:
      'Send JSON in UTF-8 and say so: Content-Type: application/json. The Accept header lists what else is taken.',
    headers: { Accept: 'The types that are taken.', 'Accept-Encoding': 'The codings that are taken.' },
  },
  invalid: {
    status: 422,
    title: 'The content is invalid',
    explanation:
      'The body is JSON, but its content breaks rules. errors lists every fault with a JSON Pointer to it.',
  },
  too_many_requests: {
    status: 429,
    title: 'The client asks for too much',
    explanation:
      'What one client may ask for in a minute is used up (RATE_LIMIT says how much that is, RateLimit what is left of it), or it has as many sockets and streams as it may (SOCKET_LIMIT). Nothing was changed. Try again after Retry-After seconds.',
    headers: RETRY_AFTER,
  },
  headers_too_large: {
    status: 431,
    title: 'The request line and headers are too large',
    explanation: 'They may have 16 KiB together.',
  },
  upgrade_required: {
    status: 426,
    title: 'This is a WebSocket',
    explanation: 'Only WebSocket connections are answered here: use ws:// or wss://.',
    headers: { Upgrade: 'websocket' },
  },
  method_unknown: {
    status: 501,
    title: 'The method is unknown',
    explanation: 'No resource here knows this method. OPTIONS tells which methods a path takes.',
  },
  unavailable: {
    status: 503,
    title: 'The database is away',
    explanation:
      'The database cannot be reached at the moment. Nothing was changed. Try again after Retry-After seconds.',
    headers: RETRY_AFTER,
  },
  not_writable: {
    status: 503,
    title: 'The database takes no changes',
    explanation:
      'The disk of the database is full, or it is read-only. Nothing was changed; reading works. Try again after Retry-After seconds.',
    headers: RETRY_AFTER,
  },
  timeout: {
    status: 503,
    title: 'The database took too long',
    explanation:
      'The database took too long. Try again after Retry-After seconds; a write may or may not have happened.',
    headers: RETRY_AFTER,
  },
  busy: {
    status: 503,
    title: 'There is too much to do',
    explanation:
      'All connections to the database, or as many as may search at a time, were in use by others for five seconds; DATABASE_POOL_SIZE says how many there are. Or there are as many sockets and streams as the process may have files open. Nothing was changed. Try again after Retry-After seconds.',
    headers: RETRY_AFTER,
  },
  broker_unavailable: {
    status: 503,
    title: 'NATS is away',
    explanation:
      'NATS cannot be reached at the moment, or did not take the message. Try again after Retry-After seconds.',
    headers: RETRY_AFTER,
  },
  internal: {
    status: 500,
    title: 'Something is wrong here',
    explanation: 'A fault of the service, not of the request. Its log has the reason under the request_id.',
  },
  unfit_database: {
    status: 500,
    title: 'The database is not one the service can work with',
    explanation: 'The service was started on a database that it cannot work with. It says so at start.',
  },
  unfit_settings: {
    status: 500,
    title: 'The settings are not ones the service can work with',
    explanation: 'The service was started with settings that it cannot work with. It says so at start.',
  },
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof CATALOGUE;

/** One fault of an input and where it is: a JSON Pointer (RFC 6901) into the body, or a parameter's name. */
export interface Violation {
  path: string;
  message: string;
}

/**
 * An error of the catalogue. `message` is for the client that caused it and names nothing internal; `reason` is a word for
 * programs, where one code has several.
 */
export class ServiceError extends Error {
  readonly code: ErrorCode;
  readonly violations: readonly Violation[];
  readonly headers: Readonly<Record<string, string>>;
  readonly reason: string | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    more: {
      violations?: readonly Violation[];
      headers?: Record<string, string>;
      reason?: string;
      cause?: unknown;
    } = {},
  ) {
    super(message, { cause: more.cause });
    this.name = 'ServiceError';
    this.code = code;
    this.violations = more.violations ?? [];
    this.headers = more.headers ?? {};
    this.reason = more.reason;
  }
}

/** Whether the same thing, done again later, may succeed without a change of its own. */
export function isTransient(error: unknown): boolean {
  return error instanceof ServiceError && TRANSIENT.has(error.code);
}

const TRANSIENT: ReadonlySet<ErrorCode> = new Set(['unavailable', 'not_writable', 'busy', 'timeout']);

/** An error with its faults in one sentence, for where there is no list of them. */
export function sentenceOf({ message, violations }: ServiceError): string {
  if (violations.length === 0) return message;
  return violations.map(violation => `${violation.path.slice(1)} ${violation.message}`).join('; ');
}
