// The task generator: reads every source, one after the other, and imports what they have.
import type { RetryPolicy } from '../fetch/fetch_bytes.ts';
import { fetchJson } from '../fetch/fetch_json.ts';
import { SourceError } from '../fetch/source_error.ts';
import { RETRY_FOR, type RunContext, type RunKind } from '../run_kind.ts';
import { nextTime } from '../schedule.ts';
import { ADAPTERS, describeSources } from './adapters.ts';
import { importItems } from './import_items.ts';
import type { FoundItem, SourceAdapter, SourceContext, SourceLimits, TaskSource } from './source.ts';

export interface TaskGeneratorOptions {
  sources: readonly TaskSource[];
  /** Secrets of the sources, by adapter. */
  tokens?: Readonly<Record<string, string | undefined>>;
  /** When it runs; undefined for never by itself. */
  cron: string | undefined;
  /** How long a run goes on trying to reach a source, in milliseconds. */
  retryFor?: number;
  /** How much a run reads of each source, where it is not what it usually is. */
  limits?: Partial<SourceLimits>;
}

// A source as runs use it: with its token, where there is one, and what it remembers from run to run.
type SourceInUse = TaskSource & Pick<SourceContext, 'token' | 'pages'>;

const LONGEST_SOURCE = 10 * 60_000; // ms
const LIMITS: SourceLimits = { requests: 2_000, bytes: 1024 ** 3, items: 200_000 };

/** The generator as a kind of run. Without sources it has nothing to run for by itself. */
export function taskGenerator(options: TaskGeneratorOptions): RunKind {
  const { sources, tokens = {}, cron, retryFor = RETRY_FOR } = options;
  const limits = { ...LIMITS, ...options.limits };
  const inUse = sources.map(source => ({ ...source, token: tokens[source.adapter], pages: new Map() }));
  return {
    kind: 'task_generator',
    cron,
    nextRunAt: now => (cron === undefined ? undefined : nextTime(cron, now)),
    runsFirst: cron !== undefined && sources.length > 0,
    sources: describeSources(sources),
    perform: context => generateTasks(context, { sources: inUse, retryFor, limits }),
  };
}

// A source that fails is named in the result's error, and the others go on.
async function generateTasks(
  { client, result, signal, logger }: RunContext,
  { sources, retryFor, limits }: { sources: readonly SourceInUse[]; retryFor: number; limits: SourceLimits },
): Promise<void> {
  const seen = new Map<string, Set<string>>();
  const faults: string[] = [];
  for (const source of sources) {
    const adapter = ADAPTERS[source.adapter];
    if (!adapter) throw new Error(`there is no adapter ${source.adapter}`);
    const ids = seen.get(adapter.name) ?? new Set<string>();
    seen.set(adapter.name, ids);
    const limited = AbortSignal.any([signal, AbortSignal.timeout(LONGEST_SOURCE)]);
    const items = readSource(adapter, source, { patience: { retryFor, signal: limited }, limits });
    try {
      await importItems(items, { client, source: adapter.name, seen: ids, result, signal: limited });
    } catch (error) {
      const fault = faultOf(error, limited, signal);
      // The run tells its failure; this tells what is behind it.
      logger.debug({ err: error, source: adapter.name }, 'a source failed');
      faults.push(`${adapter.name}: ${fault}`);
    }
  }
  if (faults.length > 0) result.error = faults.join('; ');
}

// Whatever goes wrong while reading is the source's fault, whatever goes wrong while importing is ours.
async function* readSource(
  adapter: SourceAdapter,
  { url, token, pages }: SourceInUse,
  { patience, limits }: { patience: RetryPolicy; limits: SourceLimits },
): AsyncGenerator<FoundItem> {
  const read = createMeter(limits);
  try {
    const items = adapter.read({
      url: url ?? adapter.defaultUrl ?? '',
      token,
      pages,
      fetchJson: async (address, options = {}) => {
        read.count('requests', 1);
        const fetched = await fetchJson(address, options, patience);
        read.count('bytes', fetched.size);
        return fetched;
      },
    });
    for await (const item of items) {
      read.count('items', 1);
      yield item;
    }
  } catch (error) {
    patience.signal.throwIfAborted();
    if (error instanceof SourceError) throw error;
    throw new SourceError('its answer could not be understood', { cause: error });
  }
}

// Counts what was read of a source, and ends it where it has more than it may.
function createMeter(limits: SourceLimits) {
  const read = { requests: 0, bytes: 0, items: 0 };
  return {
    count(what: keyof SourceLimits, number: number): void {
      read[what] += number;
      if (read[what] > limits[what])
        throw new SourceError(
          `has no end within ${limits[what].toLocaleString('en')} ${what}: it is read no further`,
        );
    },
  };
}

function faultOf(error: unknown, limited: AbortSignal, stopped: AbortSignal): string {
  if (error instanceof SourceError) return error.message;
  stopped.throwIfAborted();
  if (limited.aborted) return `took longer than ${LONGEST_SOURCE / 60_000} minutes`;
  throw error;
}
