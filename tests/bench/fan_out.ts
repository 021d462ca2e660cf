// Every event to every socket, against a raw broadcast by ws: the same bytes, framed beforehand, written past ws to
// the TCP sockets. What is received is counted socket by socket, and its positions must follow one another.
import { startService } from '../helpers/process.ts';
import type { Bench } from './bench.ts';
import { insertTasks, readEvents } from './events.ts';
import { post, readMetric, startFloor } from './processes.ts';
import { openReceivers, type Receivers } from './receivers.ts';
import { measure, type Row } from './rounds.ts';

const SOCKETS = 2_000;
const BURST = 500; // events of one transaction
const SINGLE = 40; // events, each when the one before has arrived everywhere

/** One side: where it listens, who hears it, and how it is made to send what it sends in a round. */
interface Side {
  address: string;
  receivers: Receivers;
  tell(before: number, count: number): Promise<unknown>;
}

export async function fanOut({ createDatabase, rounds }: Bench): Promise<Row[]> {
  const database = await createDatabase();
  const service = await startService(database.url);
  const floor = await startFloor('floor_broadcast.ts');
  const sockets = { count: SOCKETS, after: 0 };
  const ours: Side = {
    address: service.address,
    receivers: await openReceivers(service.address, { path: '/ws/tasks', ...sockets }),
    tell: (_, count) => database.query(insertTasks(count)),
  };
  // It broadcasts what the service has sent at that place.
  const bare: Side = {
    address: floor.address,
    receivers: await openReceivers(floor.address, { path: '/', ...sockets }),
    tell: async (before, count) => {
      await post(floor.address, (await readEvents(database, before, count)).join('\n'));
      await post(`${floor.address}/broadcast`);
    },
  };
  try {
    const figures = await measure(
      [
        { name: 'ours', run: createRound(ours) },
        { name: 'floor', run: createRound(bare) },
      ],
      rounds,
    );
    const row = (name: string, figure: string, unit: string, target: Row['target']): Row => {
      const [us, base] = [figures.ours?.[name] ?? Number.NaN, figures.floor?.[name] ?? Number.NaN];
      return { figure, ours: us, floor: base, unit, target };
    };
    return [
      row('rate', `${SOCKETS} sockets × ${BURST} events`, 'deliveries/s', { atLeast: 0.9 }),
      row('burst', 'processor per delivery', 'µs', { atMost: 1.1 }),
      row('single', 'the same, events one by one', 'µs', { atMost: 1.1 }),
    ];
  } finally {
    ours.receivers.close();
    bare.receivers.close();
    await service.stop();
    await floor.stop();
  }
}

// A burst, and then events one by one; from the log's beginning, as the receivers do.
function createRound({ address, receivers, tell }: Side) {
  let position = 0;
  const send = async (count: number) => {
    const [seconds] = await Promise.all([receivers.reach(position + count), tell(position, count)]);
    position += count;
    return seconds;
  };
  const busy = () => readMetric(address, 'process_cpu_seconds_total');
  return async () => {
    const idle = await busy();
    const seconds = await send(BURST);
    const after = await busy();
    for (let count = 0; count < SINGLE; count++) await send(1);
    const end = await busy();
    return {
      rate: (SOCKETS * BURST) / seconds,
      burst: ((after - idle) * 1e6) / (SOCKETS * BURST),
      single: ((end - after) * 1e6) / (SOCKETS * SINGLE),
    };
  };
}
