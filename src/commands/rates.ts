// `npm run rates -- --from 2024-01-01 --to 2024-01-31`: the rates of past days, from the bank.
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { SourceError } from '../jobs/fetch/source_error.ts';
import { backfill, daysBetween } from '../jobs/rates/backfill.ts';
import { storableText } from '../parsing/storable_text.ts';
import { closeSession } from '../postgres/session.ts';
import { openWriter } from '../queries/run_session.ts';
import { runCommand } from './command.ts';

const FIRST_DAY = '1992-07-01'; // before it the bank has no rates
const MOST_DAYS = 1_000;
const PACE = 300; // ms
const RETRY_FOR = 25_000; // ms
const MOST_CHARACTERS = 2_000; // of a reason, which may quote the bank
const USAGE = `usage: npm run rates -- --from 2024-01-01 --to 2024-01-31 (at most ${MOST_DAYS} days, none before ${FIRST_DAY} or to come)\n`;

const range = readArguments();
if (range === undefined) {
  process.stderr.write(USAGE);
  process.exit(1);
}

await runCommand(async ({ config: { ratesUrl, service }, url }) => {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  const client = await openWriter({ url, service, name: 'rates' });
  try {
    await backfill({
      ...{ client, url: ratesUrl, ...range, pace: PACE, retryFor: RETRY_FOR, signal: stop.signal },
      tell: line => process.stdout.write(`${line}\n`),
    });
    return 0;
  } catch (error) {
    const reason = stop.signal.aborted ? 'stopped' : error instanceof SourceError ? error.message : undefined;
    if (reason === undefined) throw error;
    process.stderr.write(`${storableText(reason, MOST_CHARACTERS)}\n`);
    return 1;
  } finally {
    await closeSession(client);
  }
});

function readArguments(): { from: string; to: string } | undefined {
  try {
    const { values } = parseArgs({ options: { from: { type: 'string' }, to: { type: 'string' } } });
    const { from, to } = z.object({ from: z.iso.date(), to: z.iso.date() }).parse(values);
    const today = new Date().toISOString().slice(0, 10);
    const isRange = FIRST_DAY <= from && from <= to && to <= today;
    return isRange && daysBetween(from, to).length <= MOST_DAYS ? { from, to } : undefined;
  } catch {
    return undefined;
  }
}
