// `npm run bench`: every benchmark, or those named: a table on the terminal, and JSON beside it in bench.json.
// Each figure stands against a floor that does the same work with nothing of ours in it, in the same run.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { createEmbeddedPostgres } from '../../src/embedded/embedded.ts';
import { createLogger } from '../../src/logger.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { databaseUrl, SERVICE } from '../helpers/database.ts';
import { catchUp } from './catch_up.ts';
import { edges } from './edges.ts';
import { fanOut } from './fan_out.ts';
import { filtered } from './filtered.ts';
import { growth } from './growth.ts';
import { latency } from './latency.ts';
import { memory } from './memory.ts';
import { page } from './page.ts';
import { rest } from './rest.ts';
import { type Row, reached, table } from './rounds.ts';
import { sequence } from './sequence.ts';
import { start } from './start.ts';
import { writers } from './writers.ts';

export interface BenchDatabase {
  readonly url: string;
  /** A session that is there already. */
  readonly session: pg.Client;
  query(text: string): Promise<pg.QueryResult>;
  open(): Promise<pg.Client>;
  /** `partition`: how many positions a partition of its log holds. */
  migrate(partition?: number): Promise<unknown>;
}

/** What a benchmark works with. */
export interface Bench {
  rounds: number;
  /** How many events a benchmark of a large log takes: 1,000,000 times this. */
  scale: number;
  createDatabase(): Promise<BenchDatabase>;
  /** Runs statements for the whole server, each by itself. */
  server(statements: string): Promise<void>;
}

const BENCHMARKS: Record<string, (bench: Bench) => Promise<Row[]>> = {
  latency,
  writers,
  rest,
  'fan-out': fanOut,
  filtered,
  'catch-up': catchUp,
  sequence,
  growth,
  memory,
  page,
  start,
  edges,
};

const { values, positionals: names } = parseArgs({
  allowPositionals: true,
  options: { scale: { type: 'string', default: '1' }, rounds: { type: 'string', default: '5' } },
});
const unknown = names.filter(name => !(name in BENCHMARKS));
if (unknown.length > 0) {
  process.stderr.write(
    `there is no benchmark ${unknown.join(', ')}; there are ${Object.keys(BENCHMARKS).join(', ')}\n`,
  );
  process.exit(1);
}

const dataDir = await mkdtemp(join(tmpdir(), 'taskwire-bench-'));
const logger = createLogger({ level: 'warn', pretty: false });
const postgres = createEmbeddedPostgres({ dataDir, settings: { max_connections: '300' }, logger });
await postgres.start();
try {
  const results: Record<string, Row[]> = {};
  for (const name of names.length > 0 ? names : Object.keys(BENCHMARKS)) {
    const rows = (await BENCHMARKS[name]?.(createBench(postgres.url))) ?? [];
    results[name] = rows;
    process.stdout.write(`\n${name}\n${table(rows)}\n`);
  }
  await writeFile('bench.json', `${JSON.stringify(results, null, 2)}\n`);
  const all = Object.values(results).flat();
  process.stdout.write(`\n${all.filter(reached).length} of ${all.length} figures reached what they are to\n`);
} finally {
  await postgres.stop();
  await rm(dataDir, { recursive: true, force: true });
}

function createBench(server: string): Bench {
  let made = 0;
  const run = async (statements: string) => {
    const session = await connect(server);
    for (const statement of statements.split(';')) await session.query(statement);
    await session.end();
  };
  return {
    rounds: Number(values.rounds),
    scale: Number(values.scale),
    server: run,
    async createDatabase() {
      const name = `bench_${process.pid}_${++made}_${Date.now()}`;
      await run(`CREATE DATABASE ${name}`);
      const url = databaseUrl(server, name);
      const session = await connect(url);
      return {
        url,
        session,
        query: text => session.query(text),
        open: () => connect(url),
        migrate: partition => migrate({ service: SERVICE, url, logger, partition }),
      };
    },
  };
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client(url);
  client.on('error', () => {}); // the server stops before the benchmark's sessions do
  await client.connect();
  return client;
}
