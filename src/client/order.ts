// Which rows a collection shows, in which order, and when two are the same.
import type { AnyRow, Query } from './types.ts';

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
    if (a !== b && (a === null || b === null)) return a === null ? 1 : -1;
    return sign * (order(a, b) || order(one.id, other.id));
  };
}

const order = (a: unknown, b: unknown) => (a === b ? 0 : (a as string) < (b as string) ? -1 : 1);

/** Whether a row has one of the values wanted in each column. */
export function meets(where: Query['where'], row: AnyRow): boolean {
  return Object.entries(where ?? {}).every(([name, wanted]) => {
    const value = row[name === 'label' ? 'labels' : name];
    const values = Array.isArray(value) ? value : [value];
    return values.some(each => [wanted].flat().includes(each as string));
  });
}

/** Whether two JSON values are the same. */
export function isSame(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (!isObject(one) || !isObject(other)) return false;
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every(name => isSame(one[name], other[name]));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
