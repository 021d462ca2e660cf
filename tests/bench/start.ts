// `npm start` to ready, on an empty folder and on one that was used before, against initdb and pg_ctl start alone: the
// same programs with the same arguments and settings, found beforehand, and no process of ours.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Account, type Binaries, chooseAccount, findBinaries } from '../../src/embedded/binaries.ts';
import { clusterPaths, prepareCluster, writeSettings } from '../../src/embedded/cluster.ts';
import { choosePort } from '../../src/embedded/port.ts';
import { startServer, stopServer } from '../../src/embedded/server.ts';
import { startByNpm } from '../helpers/process.ts';
import type { Bench } from './bench.ts';
import { measure, type Row } from './rounds.ts';

export async function start({ rounds }: Bench): Promise<Row[]> {
  const binaries = await findBinaries();
  const startFloor = startFloorWith(binaries, await chooseAccount(tmpdir(), binaries));
  const figures = await measure(
    [
      { name: 'ours', run: () => inEmptyFolder(startOurs) },
      { name: 'floor', run: () => inEmptyFolder(startFloor) },
    ],
    rounds,
  );
  const row = (name: string, figure: string, atMostOver: number): Row => {
    const [ours, base] = [figures.ours?.[name] ?? Number.NaN, figures.floor?.[name] ?? Number.NaN];
    return { figure, ours, floor: base, unit: 's', target: { atMostOver } };
  };
  return [
    row('cold', 'npm start to ready, empty folder', 1.5),
    row('warm', 'npm start to ready, used folder', 0.7),
  ];
}

type Start = (dataDir: string) => Promise<() => Promise<void>>;

// What starts must give back how it is stopped.
async function inEmptyFolder(begin: Start): Promise<Record<string, number>> {
  const dataDir = await mkdtemp(join(tmpdir(), 'taskwire-bench-start-'));
  try {
    return { cold: await seconds(begin, dataDir), warm: await seconds(begin, dataDir) };
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function seconds(begin: Start, dataDir: string): Promise<number> {
  const started = performance.now();
  const stop = await begin(dataDir);
  const took = performance.now() - started;
  await stop();
  return took / 1000;
}

async function startOurs(dataDir: string) {
  const service = await startByNpm(dataDir);
  const { status } = await fetch(`${service.address}/health/ready`);
  if (status !== 200) throw new Error(`it says that it serves, and ready answers ${status}`);
  return service.stop;
}

function startFloorWith(binaries: Binaries, account: Account): Start {
  return async dataDir => {
    const paths = clusterPaths(dataDir);
    await prepareCluster(paths, binaries, account, {});
    await writeSettings(paths, await choosePort(undefined, paths.port), {}, account);
    await startServer(paths, binaries, account);
    return () => stopServer(paths, binaries, account);
  };
}
