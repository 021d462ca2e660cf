// Who asks for the same shares an answer, and it is never older than the question.
import test from 'ava';
import { createLimiter, singleFlight } from '../../src/feed/limiter.ts';

test('who asks while an answer is under way gets one that was asked for after that, and shares it', async t => {
  const asked: PromiseWithResolvers<number>[] = [];
  const ask = singleFlight(() => {
    asked.push(Promise.withResolvers<number>());
    return (asked.at(-1) as PromiseWithResolvers<number>).promise;
  });
  const first = ask();
  const others = [ask(), ask()];
  t.is(asked.length, 1);
  asked[0]?.resolve(1);
  t.is(await first, 1);
  t.is(asked.length, 2, 'the answer that was under way is not theirs');
  asked[1]?.resolve(2);
  t.deepEqual(await Promise.all(others), [2, 2]);
});

test('who asks after a question that failed asks anew', async t => {
  const answers = [Promise.reject(new Error('away')), Promise.resolve('here')];
  const ask = singleFlight(() => answers.shift() as Promise<string>);
  const [first, second] = [ask(), ask()];
  await t.throwsAsync(first, { message: 'away' });
  t.is(await second, 'here');
});

test('so many work at a time, the others in the order in which they came', async t => {
  const limiter = createLimiter(2);
  const begun: number[] = [];
  const ends = [0, 1, 2, 3].map(() => Promise.withResolvers<void>());
  const work = ends.map((end, index) =>
    limiter.take(async () => {
      begun.push(index);
      await end.promise;
    }),
  );
  t.deepEqual(begun, [0, 1]);
  t.false(limiter.isFree());
  ends[1]?.resolve();
  await work[1];
  t.deepEqual(begun, [0, 1, 2]);
  for (const end of ends) end.resolve();
  await Promise.all(work);
  t.deepEqual(begun, [0, 1, 2, 3]);
  t.true(limiter.isFree());
});
