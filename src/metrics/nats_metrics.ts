// What an operator sees of NATS in Prometheus, on instances that have one.
import { Counter, Gauge, type Registry } from 'prom-client';

/** How it stands with NATS, as this instance sees it. */
export interface NatsPresent {
  connected: boolean;
  leading: boolean;
  needsOperator: boolean;
  /** The last position that the stream is known to hold; unknown where another instance publishes. */
  position: number | undefined;
}

export type NatsMetrics = ReturnType<typeof createNatsMetrics>;

const OUTCOMES = ['created', 'updated', 'unchanged', 'rejected'] as const;

/** The metrics of NATS, in the instance's registry. */
export function createNatsMetrics(registry: Registry) {
  const registers = [registry];
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
  const connected = gauge('taskwire_nats_connected', 'Whether this instance is connected to NATS');
  const leading = gauge('taskwire_nats_bridge_leader', 'Whether this instance publishes the events to NATS');
  const halted = gauge('taskwire_nats_halted', 'Whether something waits for a person; the log says what');
  const lag = gauge(
    'taskwire_nats_lag_events',
    'Events of the log that the stream does not hold yet, as far as this instance knows',
  );
  const published = new Counter({
    name: 'taskwire_nats_published_total',
    help: 'Events that this instance brought into the stream',
    registers,
  });
  const ingested = new Counter({
    name: 'taskwire_nats_ingested_total',
    help: 'Messages that this instance took, by what became of them',
    labelNames: ['outcome'],
    registers,
  });
  // From the beginning: Prometheus sees no increase in a series that begins with its first message.
  for (const outcome of OUTCOMES) ingested.inc({ outcome }, 0);
  return {
    published: (): void => published.inc(),
    ingested: (outcome: string): void => ingested.inc({ outcome }),
    /** `head`: the last position of the log, if it is known. */
    show(present: NatsPresent, head: number | undefined): void {
      connected.set(present.connected ? 1 : 0);
      leading.set(present.leading ? 1 : 0);
      halted.set(present.needsOperator ? 1 : 0);
      const { position } = present;
      lag.set(head === undefined || position === undefined ? Number.NaN : Math.max(0, head - position));
    },
  };
}
