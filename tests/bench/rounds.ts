// Measures things against each other: interleaved rounds A B A B after a warm-up, medians, and a table.

/** One thing to measure: `run` does one round and answers its figures by name, or throws when its counts are off. */
export interface Contender {
  name: string;
  run(): Promise<Record<string, number>>;
}

export type Figures = Record<string, Record<string, number>>;

/** The medians of each contender's figures over the rounds; the warm-up is not counted. */
export async function measure(contenders: readonly Contender[], rounds: number): Promise<Figures> {
  const samples = new Map(contenders.map(({ name }) => [name, [] as Record<string, number>[]]));
  for (let round = 0; round <= rounds; round++) {
    for (const { name, run } of contenders) {
      const figures = await run();
      if (round > 0) samples.get(name)?.push(figures);
    }
  }
  return Object.fromEntries([...samples].map(([name, of]) => [name, medians(of)]));
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export function quantile(values: readonly number[], at: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))];
  if (value === undefined) throw new RangeError('nothing was measured');
  return value;
}

function medians(samples: readonly Record<string, number>[]): Record<string, number> {
  const names = Object.keys(samples[0] ?? {});
  return Object.fromEntries(
    names.map(name => [name, median(samples.map(sample => sample[name] ?? Number.NaN))]),
  );
}

/** A figure that a benchmark is about: ours against its floor, and what it is to reach. */
export interface Row {
  figure: string;
  ours: number;
  floor: number;
  unit: string;
  /** The ratio ours / floor must be at most, or at least, this; or the difference ours − floor at most. */
  target: { atMost: number } | { atLeast: number } | { atMostOver: number };
}

export function reached({ ours, floor, target }: Row): boolean {
  if ('atMostOver' in target) return ours - floor <= target.atMostOver;
  const ratio = ours / floor;
  return 'atMost' in target ? ratio <= target.atMost : ratio >= target.atLeast;
}

/** The rows as text for a terminal. */
export function table(rows: readonly Row[]): string {
  const cells = rows.map(row => [
    row.figure,
    show(row.ours),
    show(row.floor),
    row.unit,
    ...compare(row),
    reached(row) ? 'reached' : 'not reached',
  ]);
  const lines = [['figure', 'ours', 'floor', 'unit', 'against it', 'to reach', ''], ...cells];
  const widths = (lines[0] ?? []).map((_, column) =>
    Math.max(...lines.map(line => line[column]?.length ?? 0)),
  );
  return lines
    .map(line =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

// How ours stands to its floor, and how it should.
function compare({ ours, floor, unit, target }: Row): [string, string] {
  if ('atMostOver' in target)
    return [`${signed(ours - floor)} ${unit}`, `≤ ${signed(target.atMostOver)} ${unit}`];
  const wanted = 'atMost' in target ? `≤ ${target.atMost}×` : `≥ ${target.atLeast}×`;
  return [`${(ours / floor).toFixed(2)}×`, wanted];
}

function signed(value: number): string {
  return `${value < 0 ? '−' : '+'}${show(Math.abs(value))}`;
}

function show(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(2);
}
