// A run as text: its figures, and the story of each broken promise.
import type { Happening } from './history.ts';
import type { Outcome } from './run.ts';

const TOLD = 10; // violations
const BEFORE = 15; // happenings around one
const AFTER = 5;

/** What a run did and found; the violations with what happened around them. */
export function report({ recorder, stored, violations }: Outcome): string {
  const { happenings, transactions } = recorder;
  const outcomes = Map.groupBy(transactions, ({ outcome }) => outcome);
  const figures: [string, number | string][] = [
    ['transactions', transactions.length],
    ...[...outcomes].map(([outcome, { length }]): [string, number] => [`… ${outcome}`, length]),
    ['events', stored.events.length],
    ...[...recorder.counts].sort(),
    ['faults', happenings.filter(({ fault }) => fault !== undefined).length],
    ['commit to numbered, p50', milliseconds(quantile(stored.numbering.waits, 0.5))],
    ['commit to numbered, p99', milliseconds(quantile(stored.numbering.waits, 0.99))],
    ['commit to numbered, worst', milliseconds(quantile(stored.numbering.waits, 1))],
    ['worst takeover', milliseconds(worstTakeover(happenings, stored.numbering.batches))],
    ['violations', violations.length],
  ];
  return [
    ...figures.map(([name, value]) => `${name.padEnd(32)} ${value}`),
    '',
    ...faultTable(happenings, stored.numbering.batches),
    ...stories({ recorder, violations }),
  ].join('\n');
}

/** The first broken promises, and what happened around the first of each kind; the others' story is mostly the same. */
export function stories({ recorder, violations }: Pick<Outcome, 'recorder' | 'violations'>): string[] {
  const began = recorder.happenings[0]?.at ?? 0;
  const promises = new Set<string>();
  const told = violations.slice(0, TOLD).map(({ promise, detail, at }) => {
    const isFirst = promises.size < promises.add(promise).size;
    const line = `broken: ${promise}\n  ${at === undefined ? '' : `${seconds(at - began)}  `}${detail}`;
    return isFirst ? `\n${line}\naround it:\n${around(at, recorder.happenings, began)}` : line;
  });
  return violations.length > TOLD ? [...told, `… and ${violations.length - TOLD} more`] : told;
}

function around(at: number | undefined, happenings: readonly Happening[], began: number): string {
  const after = at === undefined ? -1 : happenings.findIndex(each => each.at > at);
  const here = after < 0 ? happenings.length : after;
  const lines = happenings.map(each => `  ${seconds(each.at - began)}  ${each.what}`);
  return [
    ...lines.slice(Math.max(0, here - BEFORE), here),
    '  ------',
    ...lines.slice(here, here + AFTER),
  ].join('\n');
}

function faultTable(happenings: readonly Happening[], batches: readonly number[]): string[] {
  const kinds = Map.groupBy(happenings, ({ fault }) => fault);
  kinds.delete(undefined);
  const rows = [...kinds].map(([fault, of]) => {
    const worst = Math.max(...of.map(({ at }) => silenceAfter(at, batches)));
    return `${String(fault).padEnd(40)} ${String(of.length).padStart(4)}  ${milliseconds(worst).padStart(9)}`;
  });
  return [`${'fault'.padEnd(40)}  often    longest silence of numbering from it on`, ...rows.sort()];
}

function worstTakeover(happenings: readonly Happening[], batches: readonly number[]): number {
  const ends = happenings.filter(({ fault }) => fault?.endsWith('the leader'));
  return Math.max(0, ...ends.map(({ at }) => silenceAfter(at, batches)));
}

const GRASP = 1_000; // ms in which what a fault stops has stopped

// The longest time without a new batch that began, or went on, within a second of a moment.
function silenceAfter(timestamp: number, batches: readonly number[]): number {
  let longest = 0;
  let before = timestamp;
  for (const batch of batches) {
    if (batch <= timestamp) continue;
    longest = Math.max(longest, batch - before);
    before = batch;
    if (batch > timestamp + GRASP) break;
  }
  return longest;
}

function quantile(ascending: readonly number[], at: number): number {
  return ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * at))] ?? 0;
}

const milliseconds = (value: number) => `${value.toFixed(value < 10 ? 1 : 0)} ms`;
const seconds = (value: number) => `${(value / 1000).toFixed(3).padStart(9)} s`;
