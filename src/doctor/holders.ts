// What others do to the server that the service suffers from: transactions that stay open, replication slots without a
// reader, and listeners that do not read.
import { z } from 'zod';
import { ask, askOne, number, type Patient } from './patient.ts';
import { fine, gradeOf, note, type Remark, showBytes, showSeconds, wrong } from './remark.ts';

const OPEN_FOR = { note: 300, wrong: 3_600 }; // seconds
const KEPT = 1024 ** 3; // bytes of write-ahead log
const QUEUE = { note: 0.1, wrong: 0.3 }; // of the 8 GB that it may hold

const Transaction = z.object({
  pid: z.number().nullable(),
  role: z.string().nullable(),
  application: z.string().nullable(),
  state: z.string().nullable(),
  gid: z.string().nullable(),
  seconds: z.number(),
});
type Transaction = z.infer<typeof Transaction>;

/** The oldest transaction that keeps vacuum from this database, prepared ones too. */
export async function lookAtTransactions({ session }: Patient): Promise<Remark[]> {
  const [oldest] = await ask(
    session,
    Transaction,
    `SELECT pid, usename AS role, application_name AS application, state, NULL AS gid,
       extract(epoch FROM clock_timestamp() - xact_start)::float8 AS seconds
     FROM pg_stat_activity
     WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND backend_type <> 'autovacuum worker'
       AND (datname = current_database() OR datname IS NULL AND backend_xmin IS NOT NULL)
     UNION ALL
     SELECT NULL, owner, NULL, 'prepared', gid, extract(epoch FROM clock_timestamp() - prepared)::float8
     FROM pg_prepared_xacts
     WHERE database = current_database()
     ORDER BY seconds DESC
     LIMIT 1`,
  );
  return [judgeTransaction(oldest)];
}

/** The same, of the oldest that was found. */
export function judgeTransaction(oldest: Transaction | undefined): Remark {
  const subject = 'transactions';
  const grade = gradeOf(oldest?.seconds ?? 0, OPEN_FOR);
  if (oldest === undefined || grade === 'ok') return fine(subject, 'none is open for long');
  const { pid, role, application, state, gid, seconds } = oldest;
  const [who, advice] =
    gid === null
      ? [
          `pid ${pid}, role ${role}, application "${application}", ${state}`,
          `SELECT pg_terminate_backend(${pid})`,
        ]
      : [`prepared as '${gid}' by ${role}`, `COMMIT PREPARED or ROLLBACK PREPARED '${gid}'`];
  const text = `the oldest has been open for ${showSeconds(seconds)}: ${who}. Vacuum removes nothing younger`;
  return {
    subject,
    grade,
    text,
    advice: `if nobody needs it: ${advice}`,
    section: 'a-transaction-stays-open',
  };
}

const Slot = z.object({
  name: z.string(),
  active: z.boolean(),
  status: z.string().nullable(),
  kept: number,
});
type Slot = z.infer<typeof Slot>;

/** Replication slots, which are other people's: the service makes none. */
export async function lookAtSlots({ session }: Patient): Promise<Remark[]> {
  const slots = await ask(
    session,
    Slot,
    `SELECT slot_name AS name, active, wal_status AS status,
       coalesce(pg_wal_lsn_diff(
         CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, restart_lsn), 0)::float8 AS kept
     FROM pg_replication_slots
     ORDER BY slot_name`,
  );
  return judgeSlots(slots);
}

/** The same, of these. */
export function judgeSlots(slots: readonly Slot[]): Remark[] {
  const remarks = slots.flatMap(slot => judgeSlot(slot) ?? []);
  if (remarks.length > 0) return remarks;
  return [fine('replication slots', slots.length === 0 ? 'there is none' : 'all have readers that keep up')];
}

function judgeSlot({ name, active, status, kept }: Slot): Remark | undefined {
  const section = 'a-replication-slot-keeps-what-is-old';
  const text = `${name} ${active ? 'is behind' : 'has no reader'} and keeps ${showBytes(kept)} of write-ahead log`;
  const advice = `bring its reader back, or SELECT pg_drop_replication_slot('${name}')`;
  if (status === 'lost')
    return wrong('replication slots', `${name} has lost what it needs`, {
      advice: `SELECT pg_drop_replication_slot('${name}'), and set its reader up anew`,
      section,
    });
  if ((!active && kept >= KEPT) || status === 'unreserved')
    return wrong('replication slots', text, { advice, section });
  return active && kept < KEPT ? undefined : note('replication slots', text, { advice, section });
}

/** How full the queue of notifications is. */
export async function lookAtQueue({ session }: Patient): Promise<Remark[]> {
  const { usage } = await askOne(
    session,
    z.object({ usage: z.number() }),
    'SELECT pg_notification_queue_usage() AS usage',
  );
  return [judgeQueue(usage)];
}

/** The same, of the share that is used. */
export function judgeQueue(usage: number): Remark {
  const subject = 'notifications';
  const text = `the queue is ${(100 * usage).toFixed(usage > 0 && usage < 0.1 ? 1 : 0)} % full`;
  const grade = gradeOf(usage, QUEUE);
  if (grade === 'ok') return fine(subject, text);
  const advice = 'end the oldest transactions: a session that LISTENs does not take what was sent to it';
  return { subject, grade, text, advice, section: 'the-notification-queue-fills' };
}
