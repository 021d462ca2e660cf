// The fault suite in small with edges, whose events come by a NATS that is killed and frozen, too; `npm run chaos -- --edges 3` is
// the whole.
import { natsTest } from '../helpers/nats.ts';
import { createRandom } from '../helpers/random.ts';
import { report, stories } from './chaos/report.ts';
import { runChaos } from './chaos/run.ts';

natsTest(
  'whatever befalls PostgreSQL, NATS, cores and edges: what was committed comes once and in order',
  async t => {
    t.timeout(180_000);
    const random = createRandom(t.log);
    const outcome = await runChaos({
      random,
      duration: 12_000,
      longest: 2_500,
      instances: 2,
      edges: 3,
      each: 3,
      listeners: 1,
      retention: false,
    });
    if (outcome.violations.length > 0) t.log(report(outcome));
    t.true(outcome.stored.events.length > 0);
    t.deepEqual(stories(outcome), []);
  },
);
