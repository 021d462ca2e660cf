// One transaction of a psql-like client, written down as it will be found in the log.
import pg from 'pg';
import type { Change, Recorder, Transaction } from './history.ts';

/** How it is to end. */
export type End = 'COMMIT' | 'ROLLBACK';

export interface Tagged {
  session: pg.Client;
  recorder: Recorder;
  /** On every event of it, as its requestid. */
  tag: string;
  /** False: the server may forget it when it crashes, as with synchronous_commit = off. */
  durable?: boolean;
}

/**
 * Does `work`, which writes down its changes, and ends as it says. What the server refuses is rolled back; resolves
 * then too. Rejects when the session is lost.
 */
export async function transact(
  { session, recorder, tag, durable = true }: Tagged,
  work: (changes: Change[]) => Promise<End>,
): Promise<void> {
  const record: Transaction = { tag, outcome: 'rolled back', changes: [] };
  recorder.transactions.push(record);
  try {
    await session.query('BEGIN');
    await session.query(`SELECT set_config('taskwire.request_id', $1, true)`, [tag]);
    const end = await work(record.changes);
    if (end === 'COMMIT') record.outcome = 'in doubt';
    const { command } = await session.query(end);
    if (end === 'COMMIT' && durable) record.outcome = command === 'COMMIT' ? 'committed' : 'rolled back';
  } catch (error) {
    // A FATAL one may come after the commit has taken place.
    if (!(error instanceof pg.DatabaseError && error.severity === 'ERROR')) throw error;
    record.outcome = 'rolled back';
    await session.query('ROLLBACK');
  }
}
