// NATS as a part of an instance: what it tells, what it brings in, and where that goes.
import type { Config } from '../config.ts';
import type { Hub } from '../feed/hub.ts';
import type { Source, Told } from '../feed/source.ts';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Nats } from '../nats/nats.ts';
import { createExclusive } from '../postgres/leader_lock.ts';
import type { DatabasePool } from '../postgres/pool.ts';
import { keepRejected, storeRate } from '../queries/ingest.ts';
import type { Receiver } from '../relay/receiver.ts';

interface NatsPartOptions {
  config: Config;
  /** A session-level address: one instance at a time publishes. */
  directUrl: string;
  receiver: Receiver;
  metrics: Metrics;
  logger: Logger;
}

/** What makes an edge's source, on NATS. */
export async function createSourceMaker({
  config: { natsUrl, service },
  logger,
}: Pick<NatsPartOptions, 'config' | 'logger'>) {
  if (natsUrl === undefined) throw new TypeError('an edge has an address of NATS: its settings were checked');
  const { createStreamSource } = await import('../nats/stream_source.ts');
  return (told: Told, hub: Hub): Source => createStreamSource({ url: natsUrl, service, told, hub, logger });
}

/** NATS, or undefined where there is none. What comes in is stored by way of the pool. */
export async function createNatsPart(
  pool: DatabasePool,
  {
    config: { natsUrl, service },
    directUrl,
    receiver: { hub, log, source, relay },
    metrics,
    logger,
  }: NatsPartOptions,
): Promise<Nats | undefined> {
  if (natsUrl === undefined) return undefined;
  const { createNats } = await import('../nats/nats.ts'); // a client that others need not load
  return createNats({
    url: natsUrl,
    service,
    hub,
    log,
    exclusive: createExclusive({ url: directUrl, service, purpose: 'nats', logger }),
    published: () => metrics.nats?.published(),
    isCurrent: () => source.obstacle === undefined && relay.reading,
    store: rate => storeRate(pool, rate),
    keepRejected: message => keepRejected(pool, message),
    ingested: outcome => metrics.nats?.ingested(outcome),
    logger,
  });
}
