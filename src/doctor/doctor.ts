// Looks at every precondition of the service and every trace of trouble, and says what to do. It changes nothing, and what
// cannot be looked at is said to be so and keeps nothing else from being looked at.
import { lookAtConnections } from './connections.ts';
import { lookAtQueue, lookAtSlots, lookAtTransactions } from './holders.ts';
import { lookAtNumbering, lookAtRetention, lookAtRuns, lookAtSizes } from './log.ts';
import { lookAtNats, lookAtRejected } from './nats.ts';
import type { Patient } from './patient.ts';
import { type Remark, wrong } from './remark.ts';
import { hasLog, lookAtLogin, lookAtPooler, lookAtRemains, lookAtSchema, NO_LOG } from './schema.ts';
import { lookAtClocks, lookAtRelease, lookAtSettings, lookAtTransactionIds, lookAtWrites } from './server.ts';

type Look = (patient: Patient) => Promise<Remark[]>;

/** In the order of the page. */
const OF_THE_SERVER: readonly [string, Look][] = [
  ['PostgreSQL', lookAtRelease],
  ['writes', lookAtWrites],
  ['settings', lookAtSettings],
  ['transaction ids', lookAtTransactionIds],
  ['connections', lookAtConnections],
  ['transactions', lookAtTransactions],
  ['replication slots', lookAtSlots],
  ['notifications', lookAtQueue],
  ['NATS', lookAtNats],
];
const OF_THE_SERVICE: readonly [string, Look][] = [
  ['login', lookAtLogin],
  ['pooler', lookAtPooler],
  ['schema', lookAtSchema],
  ['remains', lookAtRemains],
  ['clocks', lookAtClocks],
  ['numbering', lookAtNumbering],
  ['log', lookAtSizes],
  ['retention', lookAtRetention],
  ['runs', lookAtRuns],
  ['messages', lookAtRejected],
];

/** Everything that there is to say, one after the other. */
export async function* examine(patient: Patient): AsyncGenerator<Remark> {
  yield* look(patient, OF_THE_SERVER);
  if (await hasLog(patient)) yield* look(patient, OF_THE_SERVICE);
  else yield NO_LOG;
}

async function* look(patient: Patient, looks: readonly [string, Look][]): AsyncGenerator<Remark> {
  for (const [subject, lookAt] of looks) {
    try {
      yield* await lookAt(patient);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      yield wrong(subject, `this could not be looked at: ${reason}`, {
        advice: 'give this login the right, or log in as the owner; of an older schema: npm run migrate',
        section: 'the-login-is-not-what-the-service-needs',
      });
    }
  }
}
