// A write of a run, in a transaction of its own: again where it only met others, refused where it breaks a rule.
import pg from 'pg';
import { translateDatabaseError } from '../postgres/errors.ts';

/** What a write gave, or why the database would not have it. */
export type Written<Value> = { written: Value } | { refused: string };

const LOCKED = '55P03';
const AGAIN = new Set(['40001', '40P01']);
const MOST_ATTEMPTS = 5;
// 22: a value that fits no type. 23: a constraint. P0001: a trigger that somebody added to refuse things.
const BREAKS_A_RULE = /^(22...|23...|P0001)$/;

/** Writes. A broken rule, or a row that somebody held for too long, is an outcome, not an error. */
export async function write<Value>(attempt: () => Promise<Value>): Promise<Written<Value>> {
  for (let attempts = 1; ; attempts++) {
    try {
      return { written: await attempt() };
    } catch (error) {
      if (attempts < MOST_ATTEMPTS && error instanceof pg.DatabaseError && AGAIN.has(error.code ?? ''))
        continue;
      const refused = reasonOf(error);
      if (refused === undefined) throw error;
      return { refused };
    }
  }
}

function reasonOf(error: unknown): string | undefined {
  if (!(error instanceof pg.DatabaseError)) return undefined;
  if (error.code === LOCKED) return 'somebody else was changing it for too long';
  if (!BREAKS_A_RULE.test(error.code ?? '')) return undefined;
  const known = translateDatabaseError(error);
  if (known?.faults.length)
    return known.faults.map(({ path, message }) => `${path.slice(1)} ${message}`).join('; ');
  return known?.message ?? `breaks the rule ${error.constraint ?? error.code}`;
}
