// The fault suite in small, with a new seed each time; `npm run chaos` is the whole.
import test from 'ava';
import { createRandom } from '../helpers/random.ts';
import { report, stories } from './chaos/report.ts';
import { runChaos } from './chaos/run.ts';

test('whatever is killed, frozen, cut off or restarted: what was committed, and nothing else, comes once and in order', async t => {
  t.timeout(180_000);
  const random = createRandom(t.log);
  const outcome = await runChaos({
    random,
    duration: 12_000,
    longest: 2_500,
    instances: 3,
    each: 3,
    listeners: 1,
  });
  if (outcome.violations.length > 0) t.log(report(outcome));
  t.true(outcome.stored.events.length > 0);
  t.deepEqual(stories(outcome), []);
});
