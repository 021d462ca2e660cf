// The one place that translates what PostgreSQL says into the catalogue: by SQLSTATE and constraint name.
import pg from 'pg';
import { BackendTerminatedError, ConnectionError } from 'slonik';
import { type ErrorCode, type Fault, ServiceError } from '../errors.ts';

const RULES: Record<string, Fault> = {
  tasks_title_length: { path: '/title', message: 'must have 1 to 200 characters after trimming' },
  tasks_description_length: { path: '/description', message: 'must have at most 10,000 characters' },
  tasks_status_known: { path: '/status', message: 'must be todo, in_progress or done' },
  tasks_priority_known: { path: '/priority', message: 'must be low, normal, high or urgent' },
  tasks_due_at_range: { path: '/due_at', message: 'must be in the years 0001 to 9999' },
  tasks_labels_flat: { path: '/labels', message: 'must be a flat list' },
  tasks_labels_count: { path: '/labels', message: 'must be at most 20' },
  tasks_labels_distinct: { path: '/labels', message: 'must be distinct strings' },
  tasks_created_at_past: { path: '/created_at', message: 'must not be in the future' },
  tasks_labels_length: { path: '/labels', message: 'must have 1 to 50 characters each' },
  currencies_currency_format: { path: '/currency', message: 'must be three letters from A to Z' },
  currencies_name_length: { path: '/name', message: 'must have 1 to 200 characters after trimming' },
  currencies_nominal_positive: { path: '/nominal', message: 'must be greater than 0' },
  currencies_rate_range: { path: '/rate', message: 'must be greater than 0 and less than 1e20' },
  currencies_rate_scale: { path: '/rate', message: 'must have at most 20 decimals' },
  currencies_rouble_is_one: { path: '/rate', message: 'must be 1: rates are in roubles' },
  currencies_rate_date_range: { path: '/rate_date', message: 'must be in the years 0001 to 9999' },
};

// What sql/rest/apply_batch.sql finds of a row.
const NOT_AS_SAID: Record<string, ErrorCode> = {
  batch_missing: 'not_found',
  batch_stale: 'stale',
  batch_refused: 'conflict',
  batch_answer_bytes: 'too_large',
};

const CONFLICTS: Record<string, string> = {
  tasks_pkey: 'the task exists',
  currencies_pkey: 'the currency exists',
  currencies_currency_key: 'there is a currency with this code',
  tasks_source_external_id_key: 'another task has its source and external_id',
};

// Class 08: connection exceptions. 57P01–57P03: the server is going away or coming up. 53: out of resources. 25006: it
// takes no writes now, as a standby does.
const AWAY = /^(08...|57P0[1-5]|53[1-4]00|25006)$/;
const AWAY_SYSTEM = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);
// 22P05 and 22021: a character that the database cannot hold, such as U+0000.
const UNTRANSLATABLE = new Set(['22P05', '22021']);
// query_canceled, by a timeout or by somebody, and lock_not_available.
const TOOK_TOO_LONG = new Set(['57014', '55P03']);
/** A value that another row has, where each must have its own. */
export const UNIQUE_VIOLATION = '23505';
// Deadlocks and the like, when trying again has not helped.
const MET_OTHERS = /^40.../;
// not_null_violation and check_violation; text that is too long, out of range or nothing of its type: what a schema let
// through and the database did not.
const BREAKS_RULE = new Set(['23502', '23514', '22001', '22003', '22007', '22008', '22009', '22P02']);

/** What a failed query means to whoever asked; undefined if it is nobody's fault but ours. */
export function translateDatabaseError(error: unknown): ServiceError | undefined {
  if (error instanceof ServiceError) return error;
  if (isAway(error)) return unavailable(error);
  const said = databaseErrorOf(error);
  return said && translateSaid(said);
}

function translateSaid(said: pg.DatabaseError): ServiceError | undefined {
  const { code = '', constraint = '', message } = said;
  const means = (
    what: ErrorCode,
    text: string,
    more: { faults?: Fault[]; headers?: Record<string, string> } = {},
  ) => new ServiceError(what, text, { ...more, cause: said });
  const soon = { headers: { 'Retry-After': '1' } };
  if (TOOK_TOO_LONG.has(code)) return means('timeout', 'the database took too long; try again', soon);
  const fault = RULES[constraint];
  if (fault) return means('invalid', 'the content breaks a rule', { faults: [fault] });
  const notAsSaid = NOT_AS_SAID[constraint];
  if (notAsSaid) return means(notAsSaid, message);
  if (MET_OTHERS.test(code))
    return means('conflict', 'others were changing the same rows at the same time; try again', soon);
  if (code === UNIQUE_VIOLATION)
    return means('conflict', CONFLICTS[constraint] ?? 'there is already one like it');
  if (UNTRANSLATABLE.has(code))
    return means('invalid', 'the content holds a character that cannot be stored');
  // Rules that are not in the list above: an operator's own, or one that a newer instance's migration brought.
  if (BREAKS_RULE.has(code)) {
    const rule = constraint === '' ? 'a rule' : `the rule ${constraint}`;
    return means('invalid', `the content breaks ${rule} of the database`);
  }
  return undefined;
}

/** What PostgreSQL itself said; undefined if it said nothing. */
export function databaseErrorOf(error: unknown): pg.DatabaseError | undefined {
  if (error instanceof pg.DatabaseError) return error;
  return error instanceof Error && error.cause instanceof pg.DatabaseError ? error.cause : undefined;
}

/** Whether an error says that the database cannot be reached or is going away: worth trying again. */
export function isAway(error: unknown): boolean {
  if (error instanceof ServiceError) return error.code === 'unavailable';
  if (error instanceof BackendTerminatedError || error instanceof ConnectionError) return true;
  if (error instanceof pg.DatabaseError) return AWAY.test(error.code ?? '');
  if (error instanceof AggregateError) return error.errors.some(isAway);
  return error instanceof Error && 'code' in error && AWAY_SYSTEM.has(String(error.code));
}

/** What a request is told while there is no database. */
export function unavailable(cause?: unknown): ServiceError {
  return new ServiceError('unavailable', 'the database is away; try again', {
    headers: { 'Retry-After': '1' },
    cause,
  });
}
