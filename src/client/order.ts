// Which rows a collection shows, in which order, and when two are the same.
import type { AnyRow } from './types.ts';

type Where = Readonly<Record<string, string | readonly string[] | undefined>> | undefined;
type Compare = (one: AnyRow, other: AnyRow) => number;

const DEFAULT_SORT: Readonly<Record<string, string>> = { tasks: '-created_at', currencies: 'currency' };
const PRIORITIES: readonly unknown[] = ['low', 'normal', 'high', 'urgent'];

/** As the service sorts: what is null stands last, equals by their id. */
export function compareBy(topic: string, sort = DEFAULT_SORT[topic] ?? 'id'): Compare {
  const column = sort.replace(/^-/, '');
  const sign = sort === column ? 1 : -1;
  const keyOf = (row: AnyRow) => {
    const value = row[column] ?? null;
    if (value === null) return null;
    return column === 'priority' ? PRIORITIES.indexOf(value) : column === 'rate' ? Number(value) : value;
  };
  return (one, other) => {
    const [a, b] = [keyOf(one), keyOf(other)];
    return Number(a === null) - Number(b === null) || sign * (order(a, b) || order(one.id, other.id));
  };
}

const order = (a: unknown, b: unknown) => (a === b ? 0 : (a as string) < (b as string) ? -1 : 1);

/** Whether a row has one of the values wanted in each column that says so. */
export function meets(where: Where, row: object): boolean {
  return Object.entries(where ?? {}).every(
    ([name, wanted]) =>
      wanted === undefined ||
      [(row as Record<string, unknown>)[name === 'label' ? 'labels' : name]]
        .flat()
        .some(value => [wanted].flat().includes(value as string)),
  );
}

/** Whether two rows, of which the service has written the columns in the same order, are the same. */
export function isSame(one: AnyRow | undefined, other: AnyRow | undefined): boolean {
  return one === other || JSON.stringify(one) === JSON.stringify(other);
}
