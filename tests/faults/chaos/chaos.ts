// `npm run chaos -- --minutes 10 --seed 123 --retention --edges 3`: torments a cluster of its own and says what it found; exit code 1 if a
// promise was broken. Ctrl-C ends the faults early; healing and the judgement still come.
import { parseArgs } from 'node:util';
import { createRandom } from '../../helpers/random.ts';
import { report } from './report.ts';
import { runChaos } from './run.ts';

const { minutes, seed, retention, edges } = readArguments();

const say = (text: string) => process.stdout.write(`${text}\n`);
const random = createRandom(say, seed);
const interrupted = new AbortController();
process.once('SIGINT', () => interrupted.abort());
const outcome = await runChaos({
  random,
  duration: minutes * 60_000,
  longest: 15_000,
  instances: edges > 0 ? 2 : 3,
  edges,
  each: 5,
  listeners: 2,
  retention,
  signal: interrupted.signal,
});
say(report(outcome));
if (outcome.violations.length > 0) {
  say(
    `\nto repeat the schedule: npm run chaos -- --minutes ${minutes} --seed ${random.seed}${retention ? ' --retention' : ''}${edges > 0 ? ` --edges ${edges}` : ''}`,
  );
  process.exitCode = 1;
}

function readArguments(): { minutes: number; seed: string | undefined; retention: boolean; edges: number } {
  try {
    const options = {
      minutes: { type: 'string', default: '10' },
      seed: { type: 'string' },
      retention: { type: 'boolean', default: false },
      edges: { type: 'string', default: '0' },
    } as const;
    const { values } = parseArgs({ options });
    const [minutes, edges] = [Number(values.minutes), Number(values.edges)];
    if (minutes > 0 && Number.isInteger(edges) && edges >= 0 && !Number.isNaN(Number(values.seed ?? 0)))
      return { minutes, seed: values.seed, retention: values.retention, edges };
  } catch {
    // what it does not know is explained below
  }
  process.stderr.write(
    'usage: npm run chaos -- [--minutes <number>] [--seed <number>] [--retention] [--edges <number>]\n',
  );
  process.exit(1);
}
