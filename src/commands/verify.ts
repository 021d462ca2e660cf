// `npm run verify [-- --proof]`: folds the log and holds it against the tables; prints what differs, exit 1 if anything does.
// With --proof the log proves itself, too, from the snapshots that stand with its batches.
import { parseArgs } from 'node:util';
import type pg from 'pg';
import { closeSession, openSession } from '../postgres/session.ts';
import { runCommand } from './command.ts';
import { proveLog } from './prove_log.ts';

const USAGE = 'usage: npm run verify [-- --proof]\n';
const STEP = 1_000_000; // positions: some seconds, for as long as one snapshot may be kept

const print = (line: string) => process.stdout.write(`${line}\n`);

const wanted = readArguments();
if (wanted === undefined) {
  process.stderr.write(USAGE);
  process.exit(1);
}

await runCommand(async ({ config, url }) => {
  const session = await openSession({ url, service: config.service, name: 'verify' });
  try {
    const agrees = await compare(session);
    const isProved = wanted.proof ? await prove(session) : true;
    return agrees && isProved ? 0 : 1;
  } finally {
    await closeSession(session);
  }
});

function readArguments(): { proof: boolean } | undefined {
  try {
    return parseArgs({ options: { proof: { type: 'boolean', default: false } } }).values;
  } catch {
    return undefined;
  }
}

async function compare(session: pg.Client): Promise<boolean> {
  const { rows } = await session.query<{ topic: string | null; subject: string | null; fault: string }>(
    'SELECT topic, subject, fault FROM feed.verify()',
  );
  for (const { topic, subject, fault } of rows) {
    const place = topic === null ? 'the log' : [topic, subject].filter(part => part !== null).join(' ');
    print(`${place}: ${fault}`);
  }
  const head = await session.query<{ head: string }>(
    'SELECT max(last_position) AS head FROM feed.event_batches',
  );
  print(
    rows.length === 0
      ? `the log, up to position ${head.rows[0]?.head}, and the tables agree`
      : `${rows.length} differences`,
  );
  return rows.length === 0;
}

async function prove(session: pg.Client): Promise<boolean> {
  const began = performance.now();
  const { events, batches, faults } = await proveLog({
    session,
    step: STEP,
    tell: piece => {
      for (const fault of piece.faults) print(fault);
      print(`looked at the log up to position ${piece.through} of ${piece.head}`);
    },
  });
  const figures = `${events} events in ${batches} batches`;
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  print(
    faults === 0
      ? `proved ${figures} in ${seconds} s`
      : `${faults} faults in ${figures}, looked at in ${seconds} s`,
  );
  return faults === 0;
}
