// What the service sets of its sessions, and the only place that does: whatever a role, a database or a server has for
// others, such as ALTER ROLE … SET statement_timeout, must neither end a session of the service nor change what it does.
import pg from 'pg';

/** Settings of PostgreSQL by their names. */
export type Settings = Readonly<Record<string, string>>;

// No limit but those that a part of the service gives its own sessions. Writes are READ COMMITTED: they lock what they
// change, and would fail for no reason above it. gin_fuzzy_search_limit would leave rows out of a search.
// Left to the operator: search_path, which the operator's own triggers go by (the service qualifies its names),
// synchronous_commit (but for positions, see lock_session.ts), and what only makes statements faster or slower.
const OURS: Settings = {
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  idle_session_timeout: '0',
  default_transaction_isolation: 'read committed',
  default_transaction_read_only: 'off',
  default_transaction_deferrable: 'off',
  row_security: 'on',
  quote_all_identifiers: 'off',
  transform_null_equals: 'off',
  array_nulls: 'on',
  standard_conforming_strings: 'on',
  gin_fuzzy_search_limit: '0',
  TimeZone: 'UTC',
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  bytea_output: 'hex',
  xmloption: 'content',
  extra_float_digits: '1',
};

// Those that the server may not know (PostgreSQL 16), or may not let the role set: set only where they differ.
const WHERE_DIFFERENT: Settings = { transaction_timeout: '0', session_replication_role: 'origin' };

// Before any snapshot is taken: a default of SERIALIZABLE, READ ONLY, DEFERRABLE would wait for others with its first one.
const READ_COMMITTED = "SET transaction_isolation = 'read committed'";

/** Statements that set them for a session, for one round trip; `more` wins. Nothing of them takes a role. */
export function sessionSettings(more: Settings = {}): string {
  const sets = Object.entries({ ...OURS, ...more }).map(
    ([name, value]) => `SET ${name} = ${pg.escapeLiteral(value)}`,
  );
  const others = Object.entries(WHERE_DIFFERENT).map(
    ([name, value]) => `(${pg.escapeLiteral(name)}, ${pg.escapeLiteral(value)})`,
  );
  const set = `
    SELECT set_config(name, value, false)
    FROM (VALUES ${others.join(', ')}) AS s (name, value)
    WHERE current_setting(name, true) <> value`;
  return [READ_COMMITTED, ...sets, set].join('; ');
}

/** Statements that set them until the end of a transaction, in which they come first. */
export function transactionSettings(more: Settings = {}): readonly pg.QueryConfig[] {
  const text = `
    SELECT set_config(name, value, true)
    FROM json_each_text($1) AS s (name, value)
    WHERE current_setting(name, true) <> value`;
  const values = [JSON.stringify({ ...OURS, ...WHERE_DIFFERENT, ...more })];
  return [{ text: READ_COMMITTED }, { text: 'SET transaction_read_only = off' }, { text, values }];
}
