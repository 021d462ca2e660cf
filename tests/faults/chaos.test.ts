// The fault suite in small, with a new seed each time; `npm run chaos` is the whole.
import test from 'ava';
import { createRandom } from '../helpers/random.ts';
import { report, stories } from './chaos/report.ts';
import { runChaos } from './chaos/run.ts';

const NAMES = {
  false:
    'whatever is killed, frozen, cut off or restarted: what was committed, and nothing else, comes once and in order',
  true: 'the same while the log is cut off after seconds: what is older comes out of the archive',
};

for (const retention of [false, true]) {
  test.serial(NAMES[`${retention}`], async t => {
    t.timeout(180_000);
    const random = createRandom(t.log);
    const outcome = await runChaos({
      random,
      duration: 12_000,
      longest: 2_500,
      instances: 3,
      edges: 0,
      each: 3,
      listeners: 1,
      retention,
    });
    if (outcome.violations.length > 0) t.log(report(outcome));
    t.true(outcome.stored.events.length > 0);
    t.is(
      outcome.stored.archived > 0,
      retention,
      `${outcome.stored.archived} of ${outcome.stored.events.length}`,
    );
    t.deepEqual(stories(outcome), []);
  });
}
