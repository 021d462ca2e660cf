// A wait with an end: what comes of the work, or the end of patience, whichever is first.
import { once } from 'node:events';
import test from 'ava';
import { settleWithin, within } from '../src/within.ts';

const never = new Promise<string>(() => {});
const LONG = 60_000;

test('what comes in time is answered, also a failure', async t => {
  t.is(await within(LONG, Promise.resolve('x')), 'x');
  await t.throwsAsync(within(LONG, Promise.reject(new Error('no'))), { message: 'no' });
  t.is(await within(LONG, undefined), undefined);
});

test('what does not come is not waited for', async t => {
  t.is(await within(1, never), undefined);
  await settleWithin(1, never);
});

test('a failure that comes too late does not surface as unhandled', async t => {
  const work = Promise.withResolvers<string>();
  t.is(await within(1, work.promise), undefined);
  const unhandled = once(process, 'unhandledRejection');
  work.reject(new Error('late'));
  const marker = Promise.reject(new Error('marker')); // the first that is unhandled
  t.like(await unhandled, { 0: { message: 'marker' } });
  await t.throwsAsync(marker, { message: 'marker' });
});

test('settling is waited for, and a failure is as good as any end', async t => {
  await settleWithin(LONG, Promise.reject(new Error('no')));
  t.pass();
});
