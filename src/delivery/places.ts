// How many clients there is room for: sockets, streams and long polls, of one client and of the instance, so that no
// client's sockets take all the files that the process may open.
import type { IncomingMessage } from 'node:http';
import { ServiceError } from '../errors.ts';
import type { ClientOf } from '../web/client.ts';

/** A place that a connection has until it leaves. */
export interface Place {
  /** Begins a snapshot of it. Throws `too_many_requests` where its client takes as many as it may. */
  beginSnapshot(): void;
  /** It has been sent. */
  endSnapshot(): void;
  /** The connection is gone, and whatever it had. */
  leave(): void;
}

export interface Places {
  /** Takes a place. Throws `too_many_requests` where its client has as many as it may, `busy` where the instance has. */
  take(request: IncomingMessage): Place;
}

interface PlacesOptions {
  /** How many there are; without it as many as come. */
  most?: number | undefined;
  /** How many one client may have, and of how many of them a snapshot may be under way. */
  perClient?: { places: number; snapshots: number } | undefined;
  clientOf: ClientOf;
  /** Told of what is refused. */
  refused?: ((limit: 'sockets' | 'snapshots') => void) | undefined;
}

/** The places of an instance. */
export function createPlaces({
  most = Number.POSITIVE_INFINITY,
  perClient = { places: Number.POSITIVE_INFINITY, snapshots: Number.POSITIVE_INFINITY },
  clientOf,
  refused = () => {},
}: PlacesOptions): Places {
  const places = createCounts();
  const snapshots = createCounts();
  let taken = 0;

  function refuse(limit: 'sockets' | 'snapshots', code: 'busy' | 'too_many_requests', words: string): never {
    refused(limit);
    throw new ServiceError(code, `${words}; try again later`, { headers: { 'Retry-After': '5' } });
  }

  function beginSnapshot(client: string): void {
    if (snapshots.of(client) >= perClient.snapshots)
      refuse(
        'snapshots',
        'too_many_requests',
        `one client may have ${perClient.snapshots} snapshots at a time`,
      );
    snapshots.add(client, 1);
  }

  return {
    take(request) {
      const client = clientOf(request);
      if (places.of(client) >= perClient.places)
        refuse('sockets', 'too_many_requests', `one client may have ${perClient.places} sockets and streams`);
      if (taken >= most)
        refuse('sockets', 'busy', `there are as many sockets and streams as may be: ${most}`);
      places.add(client, 1);
      taken++;
      const end = {
        snapshot: () => {},
        place: once(() => {
          places.add(client, -1);
          taken--;
        }),
      };
      return {
        beginSnapshot() {
          beginSnapshot(client);
          end.snapshot = once(() => snapshots.add(client, -1));
        },
        endSnapshot: () => end.snapshot(),
        leave() {
          end.snapshot();
          end.place();
        },
      };
    },
  };
}

// By client; of those that have none nothing is kept.
function createCounts() {
  const counts = new Map<string, number>();
  const of = (client: string) => counts.get(client) ?? 0;
  return {
    of,
    add(client: string, more: 1 | -1): void {
      const count = of(client) + more;
      if (count === 0) counts.delete(client);
      else counts.set(client, count);
    },
  };
}

function once(act: () => void): () => void {
  let left: (() => void) | undefined = act;
  return () => {
    left?.();
    left = undefined;
  };
}
