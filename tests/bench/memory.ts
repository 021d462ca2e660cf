// Resident memory: of a socket at rest, against a socket of ws alone; and what more events cost when they cannot be
// sent, because many sockets do not read, against the same with no socket. Each figure is of a process just started.
import { type Running, startService } from '../helpers/process.ts';
import { until } from '../helpers/until.ts';
import type { Bench, BenchDatabase } from './bench.ts';
import { insertTasks, readLast } from './events.ts';
import { readMetric, startFloor } from './processes.ts';
import { openReceivers } from './receivers.ts';
import { measure, type Row } from './rounds.ts';

const IDLE = 2_000;
const STALLED = 200; // the kernel holds up to 3 MB for each, of what all sockets of the machine share
const BACKLOG = 12_000; // events: more than the kernel takes, so that Node's buffers are full
const TRANSACTION = 3_000;
const FILTERED = '/ws/tasks?status=todo'; // by a field, and every event meets it: so the counts are the same

export async function memory({ createDatabase, rounds }: Bench): Promise<Row[]> {
  const database = await createDatabase();
  const startOurs = () => startService(database.url);
  const idle = await measure(
    [
      { name: 'ours', run: () => rest(startOurs, '/ws/tasks') },
      { name: 'floor', run: () => rest(() => startFloor('floor_broadcast.ts'), '/') },
    ],
    rounds,
  );
  const stalled = await measure(
    [
      { name: 'ours', run: () => stall(database, STALLED, '/ws/tasks') },
      { name: 'filtered', run: () => stall(database, STALLED, FILTERED) },
      { name: 'floor', run: () => stall(database, 0, '/ws/tasks') },
    ],
    rounds,
  );
  const value = (from: typeof idle, name: string) => from[name]?.grown ?? Number.NaN;
  return [
    {
      figure: `an idle socket, of ${IDLE}`,
      ours: value(idle, 'ours'),
      floor: value(idle, 'floor'),
      unit: 'KB',
      target: { atMost: 1.3 },
    },
    {
      figure: `${BACKLOG} events behind ${STALLED} stalled sockets`,
      ours: value(stalled, 'ours'),
      floor: value(stalled, 'floor'),
      unit: 'MB',
      target: { atMostOver: 10 },
    },
    {
      figure: 'the same with a filter, against without',
      ours: value(stalled, 'filtered'),
      floor: value(stalled, 'ours'),
      unit: 'MB',
      target: { atMostOver: 10 },
    },
  ];
}

async function rest(start: () => Promise<Running>, path: string): Promise<{ grown: number }> {
  const { address, stop } = await start();
  const warm = await openReceivers(address, { path, count: 100, after: 0 });
  warm.close();
  const before = await residentOf(address);
  const receivers = await openReceivers(address, { path, count: IDLE, after: 0 });
  const grown = (await residentOf(address)) - before;
  receivers.close();
  await stop();
  return { grown: grown / IDLE / 1024 };
}

// The first backlog fills what there is to fill; only the second is measured. Then they read on, and must get all.
async function stall(database: BenchDatabase, count: number, path: string): Promise<{ grown: number }> {
  const service = await startService(database.url);
  const after = await readLast(database);
  const receivers = await openReceivers(service.address, { path, count, after });
  receivers.pause();
  await pileUp(service, database);
  const before = await residentOf(service.address);
  await pileUp(service, database);
  const grown = (await residentOf(service.address)) - before;
  receivers.resume();
  if (count > 0) await receivers.reach(await readLast(database));
  receivers.close();
  await service.stop();
  return { grown: grown / 1024 / 1024 };
}

async function pileUp({ address }: Running, database: BenchDatabase): Promise<void> {
  for (let written = 0; written < BACKLOG; written += TRANSACTION) {
    await database.query(insertTasks(TRANSACTION));
    const { rows } = await database.query('SELECT count(*)::integer AS count FROM tasks');
    await until(async () => (await readMetric(address, 'taskwire_relay_position')) === rows[0].count);
  }
}

async function residentOf(address: string): Promise<number> {
  return readMetric(address, 'process_resident_memory_bytes');
}
