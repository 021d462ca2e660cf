// Taskwire for React: a component shows a collection, and is rendered anew when that changes.
import { useSyncExternalStore } from 'react';
import type { Client, Collection, Pending, Query, RowOf, Snapshot, State } from './client.ts';

/** The rows of a topic, and how they stand; the collection is kept up while the component is there. */
export function useCollection<Topic extends string>(
  client: Client,
  topic: Topic,
  query?: Query,
): Snapshot<RowOf<Topic>> {
  // The same one for the same query, so that nothing has to be remembered here.
  const { subscribe, snapshot }: Collection<RowOf<Topic>> = client.collection(topic, query);
  return useSyncExternalStore(subscribe, snapshot, snapshot);
}

/** How the client stands with the service. */
export function useConnection(client: Client): State {
  const state = () => client.state;
  return useSyncExternalStore(client.subscribe, state, state);
}

/** The changes that are not confirmed yet. */
export function usePending(client: Client): readonly Pending[] {
  const pending = () => client.pending;
  return useSyncExternalStore(client.subscribe, pending, pending);
}
