// The catalogue of errors: what each is called, how it answers over HTTP, and whose fault it is.

/** Every way in which the service says no. The key is the code and the last part of the problem's type. */
export const CATALOGUE = {
  malformed: { status: 400, title: 'The request is malformed' },
  forbidden: { status: 403, title: 'Not allowed' },
  not_found: { status: 404, title: 'There is no such thing' },
  method_not_allowed: { status: 405, title: 'The resource does not take this method' },
  conflict: { status: 409, title: 'The request conflicts with the present state' },
  gone: { status: 410, title: 'The log no longer has it' },
  stale: { status: 412, title: 'The resource has changed since' },
  too_large: { status: 413, title: 'The body is too large' },
  unsupported_media_type: { status: 415, title: 'The body is not JSON' },
  invalid: { status: 422, title: 'The content is invalid' },
  upgrade_required: { status: 426, title: 'This is a WebSocket' },
  unavailable: { status: 503, title: 'The database is away' },
  timeout: { status: 503, title: 'The database took too long' },
  broker_unavailable: { status: 503, title: 'NATS is away' },
  internal: { status: 500, title: 'Something is wrong here' },
  unfit_database: { status: 500, title: 'The database is not one the service can work with' },
  unfit_settings: { status: 500, title: 'The settings are not ones the service can work with' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ErrorCode = keyof typeof CATALOGUE;

/** One fault of an input and where it is: a JSON Pointer (RFC 6901) into the body, or a parameter's name. */
export interface Fault {
  path: string;
  message: string;
}

/**
 * An error of the catalogue. `message` is for whoever caused it and names nothing internal; `reason` is a word for
 * programs, where one code has several.
 */
export class ServiceError extends Error {
  readonly code: ErrorCode;
  readonly faults: readonly Fault[];
  readonly headers: Readonly<Record<string, string>>;
  readonly reason: string | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    more: {
      faults?: readonly Fault[];
      headers?: Record<string, string>;
      reason?: string;
      cause?: unknown;
    } = {},
  ) {
    super(message, { cause: more.cause });
    this.name = 'ServiceError';
    this.code = code;
    this.faults = more.faults ?? [];
    this.headers = more.headers ?? {};
    this.reason = more.reason;
  }
}
