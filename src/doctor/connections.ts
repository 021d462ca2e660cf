// Connections: those there are, and those that the instances there are may come to need.
import { z } from 'zod';
import { askOne, number, type Patient } from './patient.ts';
import { count, fine, note, type Remark, wrong } from './remark.ts';

// What an instance holds at most beside its pool: 3 for the log, its listener, the sequencer and one to end a stuck leader,
// 5 of the job queue, one for each of two runs, and retention; with NATS one to publish and one to bring in.
const BESIDE_POOL = 14;
const OF_NATS = 2;

const Found = z.object({
  most: number,
  all: number,
  ours: number,
  instances: number,
  hidden: number,
});
type Found = z.infer<typeof Found>;

/** max_connections, and the limits of role and database, against the instances that run. */
export async function lookAtConnections({ session, service, settings }: Patient): Promise<Remark[]> {
  const found = await askOne(
    session,
    Found,
    `SELECT
       least(
         current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
           - current_setting('reserved_connections')::int,
         nullif((SELECT rolconnlimit FROM pg_roles WHERE rolname = session_user), -1),
         nullif((SELECT datconnlimit FROM pg_database WHERE datname = current_database()), -1)
       ) AS most,
       count(*) AS all,
       count(*) FILTER (WHERE starts_with(application_name, $1 || ' ') AND datname = current_database()) AS ours,
       count(*) FILTER (WHERE application_name = $1 || ' listener' AND datname = current_database()) AS instances,
       count(*) FILTER (WHERE query = '<insufficient privilege>') AS hidden
     FROM pg_stat_activity
     WHERE coalesce(backend_type, 'client backend') = 'client backend'
       AND datname IS NOT NULL AND pid <> pg_backend_pid()`,
    [service],
  );
  return [...judgeConnections(found, settings), ...judgeSight(found.hidden)];
}

/** The same, of these numbers. */
export function judgeConnections(
  { most, all, ours, instances }: Omit<Found, 'hidden'>,
  { poolSize, natsUrl }: Pick<Patient['settings'], 'poolSize' | 'natsUrl'>,
): Remark[] {
  const each = poolSize + BESIDE_POOL + (natsUrl === undefined ? 0 : OF_NATS);
  const others = all - ours;
  const running = Math.max(1, instances);
  const needed = running * each + others;
  const text =
    `${all} of ${most} are in use, ${others} of them by others; ` +
    `${instances === 0 ? 'no instance runs, and one' : `${count(instances, 'instance')}, of which each`} may open ${each}`;
  const section = 'connections-to-postgresql-run-out';
  const advice = `raise max_connections by ${needed + each - most}, for one instance more during restarts, or lower DATABASE_POOL_SIZE`;
  if (needed > most) return [wrong('connections', `${text}: ${needed} do not fit`, { advice, section })];
  if (needed + each > most)
    return [note('connections', `${text}: another one would not fit`, { advice, section })];
  return [fine('connections', text)];
}

function judgeSight(hidden: number): Remark[] {
  if (hidden === 0) return [];
  return [
    note('sight', `of ${count(hidden, 'session')} this login may not see what they do`, {
      advice: 'to see more: GRANT pg_read_all_stats TO this login',
      section: 'the-login-is-not-what-the-service-needs',
    }),
  ];
}
