// The one place that translates what PostgreSQL says into the catalogue: by SQLSTATE and constraint name.
import pg from 'pg';
import { BackendTerminatedError, ConnectionError } from 'slonik';
import { type ErrorCode, ServiceError, type Violation } from '../errors.ts';
import { blameOf, isRaised, SQLSTATE } from './sqlstate.ts';

const RULES: Record<string, Violation> = {
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

// What the functions of sql/ find of a row, in words of their own.
const NOT_AS_SAID: Record<string, ErrorCode> = {
  batch_missing: 'not_found',
  batch_stale: 'stale',
  row_not_taken: 'invalid',
  batch_answer_bytes: 'too_large',
  restore_below_floor: 'gone',
  below_floor: 'gone',
};

const CONFLICTS: Record<string, string> = {
  tasks_pkey: 'the task exists',
  currencies_pkey: 'the currency exists',
  currencies_currency_key: 'there is a currency with this code',
  tasks_source_external_id_key: 'another task has its source and external_id',
};

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
const UNSTORABLE: ReadonlySet<string> = new Set([
  SQLSTATE.untranslatableCharacter,
  SQLSTATE.characterNotInRepertoire,
]);
const SOON = { headers: { 'Retry-After': '1' } };

/** What a failed query means to the client that asked; undefined if it is the service's own fault. */
export function translateDatabaseError(error: unknown): ServiceError | undefined {
  if (error instanceof ServiceError) return error;
  const said = databaseErrorOf(error);
  if (said && blameOf(said.code) === 'no_writes') return notWritable(said.code, said);
  if (isAway(error)) return unavailable(error);
  return said && translateSaid(said);
}

function translateSaid(said: pg.DatabaseError): ServiceError | undefined {
  const { code = '', constraint = '', message } = said;
  const means = (what: ErrorCode, text: string, more: MeaningOptions = {}) =>
    new ServiceError(what, text, { ...more, cause: said });
  const violation = RULES[constraint];
  if (violation) return means('invalid', 'the content breaks a rule', { violations: [violation] });
  const notAsSaid = NOT_AS_SAID[constraint];
  if (notAsSaid) return means(notAsSaid, message, notAsSaid === 'gone' ? { reason: 'retention' } : {});
  switch (blameOf(code)) {
    case 'slow':
      return means('timeout', 'the database took too long; try again', SOON);
    case 'concurrent':
      return means('conflict', 'others were changing the same rows at the same time; try again', SOON);
    case 'conflict':
      return means('conflict', conflictOf(code, constraint));
    case 'content':
      return means('invalid', brokenRuleOf(said));
    default:
      return undefined;
  }
}

interface MeaningOptions {
  reason?: string;
  violations?: Violation[];
  headers?: Record<string, string>;
}

function conflictOf(code: string, constraint: string): string {
  const rule = constraint === '' ? 'a rule' : `the rule ${constraint}`;
  if (code === SQLSTATE.uniqueViolation) return CONFLICTS[constraint] ?? 'there is already one like it';
  if (code === SQLSTATE.exclusionViolation) return `another row excludes it by ${rule} of the database`;
  return `a reference between rows forbids it, by ${rule} of the database`;
}

// Rules that are not in the list above: the operator's own, or those that a newer instance's migration brought.
function brokenRuleOf({ code = '', constraint = '', message }: pg.DatabaseError): string {
  if (UNSTORABLE.has(code)) return 'the content holds a character that cannot be stored';
  // A check that has no name is a RAISE under its SQLSTATE.
  if (isRaised(code) || (code === SQLSTATE.checkViolation && constraint === '')) return message;
  return `the content breaks ${constraint === '' ? 'a rule' : `the rule ${constraint}`} of the database`;
}

/** What PostgreSQL itself said; undefined if it said nothing. */
export function databaseErrorOf(error: unknown): pg.DatabaseError | undefined {
  if (error instanceof pg.DatabaseError) return error;
  return error instanceof Error && error.cause instanceof pg.DatabaseError ? error.cause : undefined;
}

/** Whether an error says that the database cannot be reached, is going away or takes no writes: worth trying again. */
export function isAway(error: unknown): boolean {
  if (error instanceof ServiceError) return error.code === 'unavailable' || error.code === 'not_writable';
  if (error instanceof BackendTerminatedError || error instanceof ConnectionError) return true;
  if (error instanceof pg.DatabaseError) return ['away', 'no_writes'].includes(blameOf(error.code));
  if (error instanceof AggregateError) return error.errors.some(isAway);
  return error instanceof Error && 'code' in error && AWAY_SYSTEM.has(String(error.code));
}

/** Whether an error says that the database takes no writes, though it can be read. */
export function isNotWritable(error: unknown): boolean {
  if (error instanceof ServiceError) return error.code === 'not_writable';
  return blameOf(databaseErrorOf(error)?.code) === 'no_writes';
}

/** Whether it says that a position of the log is no longer kept. */
export function isBelowFloor(error: unknown): boolean {
  return databaseErrorOf(error)?.constraint === 'below_floor';
}

/** Whether a row was refused because its partitioned table has no partition for it. */
export function isOutOfPartitions(error: unknown): boolean {
  const found = databaseErrorOf(error);
  return found?.code === SQLSTATE.checkViolation && found.routine === 'ExecFindPartition';
}

/** What a write is told that a BEFORE trigger of the operator's swallowed: it returned NULL. */
export function rowNotTaken(): ServiceError {
  return new ServiceError('invalid', 'a trigger of the table did not take the row');
}

/** What a request is told while there is no database. */
export function unavailable(cause?: unknown): ServiceError {
  return new ServiceError('unavailable', 'the database is away; try again', { ...SOON, cause });
}

function notWritable(code: string | undefined, cause: unknown): ServiceError {
  const reason = code === SQLSTATE.diskFull ? 'its disk is full' : 'it is read-only';
  return new ServiceError('not_writable', `the database takes no changes: ${reason}`, { ...SOON, cause });
}
