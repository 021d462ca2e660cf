// Brings what a source gives into the list, item by item, and counts what became of it.
import type pg from 'pg';
import { findChangedItems, type ImportItem, importItem } from '../../queries/imports.ts';
import type { RunResult } from '../../queries/run_session.ts';
import type { FoundItem } from './source.ts';

interface ImportOptions {
  client: pg.Client;
  source: string;
  /** The ids that this run has had of this source. */
  seen: Set<string>;
  /** Counts go here as they come, so that they are there when it ends early. */
  result: RunResult;
  signal: AbortSignal;
}

const BATCH = 100;
const MOST_REJECTIONS = 100;

/** Imports all items. Throws what reading them throws, the signal's reason, or an error of the database. */
export async function importItems(items: AsyncIterable<FoundItem>, options: ImportOptions): Promise<void> {
  let batch: ImportItem[] = [];
  for await (const item of items) {
    options.signal.throwIfAborted();
    options.result.fetched++;
    if (isAccepted(item, options)) batch.push(item);
    if (batch.length < BATCH) continue;
    await importBatch(batch, options);
    batch = [];
  }
  await importBatch(batch, options);
}

/** Counts an item that did not make it, with its reason. */
export function reject(result: RunResult, rejection: RunResult['rejections'][number]): void {
  result.rejected++;
  if (result.rejections.length < MOST_REJECTIONS) result.rejections.push(rejection);
}

function isAccepted(item: FoundItem, { source, seen, result }: ImportOptions): item is ImportItem {
  if ('refused' in item) {
    reject(result, { source, external_id: item.external_id, reason: item.refused });
    return false;
  }
  // Two items under one id would overwrite each other at every run.
  if (seen.has(item.external_id)) {
    reject(result, { source, external_id: item.external_id, reason: 'its id has come before in this run' });
    return false;
  }
  seen.add(item.external_id);
  return true;
}

async function importBatch(batch: readonly ImportItem[], options: ImportOptions): Promise<void> {
  const { client, source, result, signal } = options;
  if (batch.length === 0) return;
  const changed = await findChangedItems(client, source, batch);
  result.unchanged += batch.length - changed.length;
  for (const item of changed) {
    signal.throwIfAborted();
    const outcome = await importItem(client, source, item);
    if (outcome.kind === 'rejected') {
      reject(result, { source, external_id: item.external_id, reason: outcome.reason });
    } else {
      result[outcome.kind]++;
    }
  }
}
