// How many connections the process may have: each is an open file, and so is each of the database's and whatever it reads.
import process from 'node:process';
import { z } from 'zod';

const RESERVED = 100; // files that are not clients' connections nor the pool's
const FEWEST = 10;
const SHARE = 0.9; // of the connections that may be sockets and streams: requests find room beside them

const Report = z.object({
  userLimits: z.object({ open_files: z.object({ soft: z.union([z.number(), z.literal('unlimited')]) }) }),
});

/** How many connections clients may have, and how many of them may be sockets and streams. */
export interface ConnectionLimits {
  connections: number;
  sockets: number;
}

/** What the process's own limit of open files leaves beside a pool of this size: `ulimit -n`, which Node has raised to the hard one. */
export function readConnectionLimits(poolSize: number): ConnectionLimits {
  return limitsWithin(readFileLimit(), poolSize);
}

/** The same within so many open files. */
export function limitsWithin(files: number, poolSize: number): ConnectionLimits {
  const connections = Math.max(FEWEST, files - RESERVED - poolSize);
  return { connections, sockets: Math.floor(connections * SHARE) };
}

// Windows has none.
function readFileLimit(): number {
  Object.assign(process.report, { excludeNetwork: true }); // it would look up the names of all that is connected
  const { data } = Report.safeParse(process.report.getReport());
  const soft = data?.userLimits.open_files.soft ?? 'unlimited';
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : soft;
}
