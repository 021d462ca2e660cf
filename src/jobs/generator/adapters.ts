// The adapters there are, by the name that TASK_SOURCES calls them.
import { publicUrl } from '../fetch/fetch_bytes.ts';
import type { SourceDescription } from '../run_kind.ts';
import { github } from './github.ts';
import { jsonplaceholder } from './jsonplaceholder.ts';
import { sample } from './sample.ts';
import type { SourceAdapter, TaskSource } from './source.ts';

export const ADAPTERS: Readonly<Record<string, SourceAdapter>> = { github, jsonplaceholder, sample };

/** The configured sources, for people to see. */
export function describeSources(sources: readonly TaskSource[]): SourceDescription[] {
  return sources.map(({ adapter, url }) => {
    const address = url ?? ADAPTERS[adapter]?.defaultUrl;
    return { name: adapter, url: address === undefined ? null : publicUrl(address) };
  });
}
