// A write of a run, in a transaction of its own: again where it only met others, refused where it breaks a rule.
import pg from 'pg';
import { sentenceOf } from '../errors.ts';
import { translateDatabaseError } from '../postgres/errors.ts';
import { isWritersFault, MET_OTHERS, SQLSTATE } from '../postgres/sqlstate.ts';

/** What a write gave, or why the database would not have it. */
export type Written<Value> = { written: Value } | { refused: string };

const MOST_ATTEMPTS = 5;

/** Writes. A broken rule, or a row that another transaction held for too long, is an outcome, not an error. */
export async function write<Value>(attempt: () => Promise<Value>): Promise<Written<Value>> {
  for (let attempts = 1; ; attempts++) {
    try {
      return { written: await attempt() };
    } catch (error) {
      if (!(error instanceof pg.DatabaseError)) throw error;
      if (attempts < MOST_ATTEMPTS && MET_OTHERS.has(error.code ?? '')) continue;
      const refused = reasonOf(error);
      if (refused === undefined) throw error;
      return { refused };
    }
  }
}

function reasonOf(error: pg.DatabaseError): string | undefined {
  if (error.code === SQLSTATE.lockNotAvailable) return 'another transaction was changing it for too long';
  const known = translateDatabaseError(error);
  return known && isWritersFault(error.code) ? sentenceOf(known) : undefined;
}
