// The rates job: fetches the bank's newest file and writes what changed.
import { importRates } from '../../queries/rates.ts';
import { publicUrl } from '../fetch/fetch_bytes.ts';
import { SourceError } from '../fetch/source_error.ts';
import { RETRY_FOR, type RunContext, type RunKind } from '../run_kind.ts';
import { nextTime } from '../schedule.ts';
import { BANK_OF_RUSSIA, fetchRates } from './bank_of_russia.ts';

export interface CurrencyRatesOptions {
  /** Where the bank's file is. */
  url: string;
  /** When it runs; undefined for never by itself. */
  cron: string | undefined;
  /** How long a run goes on trying to reach the bank, in milliseconds. */
  retryFor?: number;
}

/** The job as a kind of run. */
export function currencyRates({ url, cron, retryFor = RETRY_FOR }: CurrencyRatesOptions): RunKind {
  return {
    kind: 'currency_rates',
    cron,
    nextRunAt: now => (cron === undefined ? undefined : nextTime(cron, now)),
    runsFirst: cron !== undefined,
    sources: [{ name: BANK_OF_RUSSIA, url: publicUrl(url) }],
    perform: context => refreshRates(context, { url, retryFor }),
  };
}

async function refreshRates(
  { client, result, signal }: RunContext,
  { url, retryFor }: { url: string; retryFor: number },
): Promise<void> {
  try {
    const rates = await fetchRates({ url }, { retryFor, signal });
    result.fetched = rates.entries.length;
    const outcome = await importRates(client, { source: BANK_OF_RUSSIA, rates, mayCreate: true });
    if ('refused' in outcome) throw new SourceError(`${publicUrl(url)}: ${outcome.refused}`);
    const { kept, ...counts } = outcome.written;
    Object.assign(result, counts);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof SourceError)) throw error;
    result.error = error.message;
  }
}
