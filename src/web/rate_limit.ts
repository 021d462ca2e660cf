// How much a client may ask for: each has a bucket, which every request takes its cost out of and time fills again. In the
// memory of this instance alone: each instance gives a client as much.
import type { Context } from 'koa';
import { ServiceError } from '../errors.ts';
import type { ClientOf } from './client.ts';

export interface RateLimit {
  /**
   * Takes a cost, or what of it is not `paid` yet, out of the bucket of the request's client, and says in the answer's fields what is left. Throws
   * `too_many_requests`, and takes nothing, where it holds less. What costs nothing is not looked at.
   */
  charge(ctx: Pick<Context, 'req' | 'set'>, cost: number, paid?: number): void;
}

interface RateLimitOptions {
  /** What a full bucket holds, and how much of it comes back in a minute. */
  quota: number;
  clientOf: ClientOf;
  /** Told of each request that is refused. */
  refused?: (() => void) | undefined;
  /** The time in ms; a test's own. */
  now?: () => number;
}

const WINDOW = 60; // seconds
const MOST_CLIENTS = 50_000; // whose buckets are kept

/** The buckets of an instance. One that is full again is forgotten; so is the least recently used when they are too many. */
export function createRateLimit({
  quota,
  clientOf,
  refused = () => {},
  now = () => performance.now(),
}: RateLimitOptions): RateLimit {
  const perSecond = quota / WINDOW;
  const buckets = new Map<string, { held: number; at: number }>(); // the least recently used first

  function heldBy(client: string, time: number): number {
    const bucket = buckets.get(client);
    return bucket ? Math.min(quota, bucket.held + ((time - bucket.at) / 1000) * perSecond) : quota;
  }

  function keep(client: string, held: number, at: number): void {
    buckets.delete(client);
    buckets.set(client, { held, at });
    for (const oldest of buckets.keys()) {
      if (buckets.size <= MOST_CLIENTS && heldBy(oldest, at) < quota) break;
      buckets.delete(oldest);
    }
  }

  return {
    charge(ctx, whole, paid = 0) {
      const cost = Math.min(whole, quota) - paid; // what is dearer than a whole bucket takes a whole one
      if (cost <= 0) return;
      const client = clientOf(ctx.req);
      const time = now();
      const held = heldBy(client, time);
      const isEnough = held >= cost;
      const left = isEnough ? held - cost : held;
      ctx.set(fieldsOf(quota, left, perSecond));
      if (!isEnough) {
        refused();
        throw tooMany(cost, (cost - held) / perSecond);
      }
      keep(client, left, time);
    },
  };
}

// draft-ietf-httpapi-ratelimit-headers-10: `t` is when all of it will be there again.
function fieldsOf(quota: number, left: number, perSecond: number): Record<string, string> {
  const full = Math.ceil((quota - left) / perSecond);
  return {
    'RateLimit-Policy': `"default";q=${quota};w=${WINDOW}`,
    RateLimit: `"default";r=${Math.floor(left)};t=${full}`,
  };
}

function tooMany(cost: number, seconds: number): ServiceError {
  const wait = Math.max(1, Math.ceil(seconds));
  return new ServiceError(
    'too_many_requests',
    `this costs ${cost}, and less is left of what one client may ask for; try again in ${wait} s`,
    { headers: { 'Retry-After': String(wait) } },
  );
}
