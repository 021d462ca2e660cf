// The processor time that a PostgreSQL spends: of its postmaster, of all its processes, and of those that have ended.
// Wall time is another's too on a shared machine; this is what the work itself costs. Read where there is /proc.
import { readdir, readFile } from 'node:fs/promises';
import type { BenchDatabase } from './bench.ts';

const TICK_US = 10_000; // USER_HZ is 100 on every Linux

/** Microseconds since it was started, 10,000 to a tick; NaN where there is no /proc. */
export async function postgresBusy({ session }: BenchDatabase): Promise<number> {
  const { rows } = await session.query('SELECT pg_read_file($1) AS pid', ['postmaster.pid']);
  const postmaster = Number.parseInt(rows[0].pid, 10);
  const pids = (await readdir('/proc').catch(() => [])).filter(name => /^\d+$/.test(name));
  const all = await Promise.all(pids.map(readTicks));
  const ticks = all.map(({ pid, parent, own, ended }) => {
    if (pid === postmaster) return own + ended;
    return parent === postmaster ? own : 0;
  });
  return all.length === 0 ? Number.NaN : ticks.reduce((sum, of) => sum + of, 0) * TICK_US;
}

// A process may end while it is looked at.
async function readTicks(name: string) {
  const text = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '');
  const [, parent = 0, ...fields] = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  // From field 14 on: utime, stime, and the same of children that have ended and were waited for.
  const [own = 0, ownSystem = 0, ended = 0, endedSystem = 0] = fields.slice(9);
  return { pid: Number(name), parent, own: own + ownSystem, ended: ended + endedSystem };
}
