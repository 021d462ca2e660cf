// Which events a subscriber wants, and under which keys the hub finds the subscribers of an event.
import type { FeedEvent } from '../events.ts';

/** An event matches if it meets every part; an empty part asks for nothing. */
export interface Filter {
  readonly topics: ReadonlySet<string>;
  readonly types: ReadonlySet<string>;
  readonly subjects: ReadonlySet<string>;
  /** Columns of the entity, each with the values wanted; of a list, one of its elements has to be among them. */
  readonly fields: ReadonlyMap<string, ReadonlySet<string>>;
}

type State = Readonly<Record<string, unknown>>;

const NONE: ReadonlySet<string> = new Set();

/** The filter that everything meets. */
export const EVERYTHING: Filter = { topics: NONE, types: NONE, subjects: NONE, fields: new Map() };

/**
 * Whether an event is for this filter: also one that leaves it, whose entity met the fields before the change and does
 * not any more, so that a filtered view can drop it.
 */
export function matches(filter: Filter, event: FeedEvent): boolean {
  return (
    admits(filter.topics, event.topic) &&
    admits(filter.types, event.type) &&
    admits(filter.subjects, event.subject) &&
    (filter.fields.size === 0 || statesOf(event).some(state => meets(filter, state)))
  );
}

/** Whether an entity in this state meets the filter's fields. */
export function meets({ fields }: Filter, state: State): boolean {
  for (const [column, wanted] of fields) {
    if (!valuesOf(state[column]).some(value => wanted.has(value))) return false;
  }
  return true;
}

/** By what subscribers are found, the most telling first: a filter is filed under the first part that it has. */
export type Key = 'subject' | `field ${string}` | 'type' | 'topic' | 'any';

/** Where a filter is filed: a key, and the values that lead to it. Every event it matches has one of them. */
export function indexKeyOf({ topics, types, subjects, fields }: Filter): [Key, Iterable<string>] {
  if (subjects.size > 0) return ['subject', subjects];
  const [field] = [...fields].sort(([, some], [, others]) => some.size - others.size);
  if (field) return [`field ${field[0]}`, field[1]];
  if (types.size > 0) return ['type', types];
  if (topics.size > 0) return ['topic', topics];
  return ['any', ['']];
}

/** Whether where it is filed says all of a filter: an event that leads there matches, and need not be compared. */
export function isKeyOfAll({ topics, types, subjects, fields }: Filter): boolean {
  const parts = [topics, types, subjects].filter(part => part.size > 0);
  return parts.length + fields.size <= 1;
}

/** What an event is looked for under: of a field, the values before the change and those after it. */
export function valueFor(event: FeedEvent, key: Key): string | ReadonlySet<string> {
  if (key === 'subject') return event.subject;
  if (key === 'type') return event.type;
  if (key === 'topic') return event.topic;
  if (key === 'any') return '';
  const column = key.slice('field '.length);
  return new Set(statesOf(event).flatMap(state => valuesOf(state[column])));
}

/** Whether a part of a filter lets a value through. */
export function admits(wanted: ReadonlySet<string>, value: string): boolean {
  return wanted.size === 0 || wanted.has(value);
}

function valuesOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.filter(each => typeof each === 'string');
  return typeof value === 'string' ? [value] : [];
}

const known = new WeakMap<FeedEvent, readonly State[]>();

// The entity after the change and, of an update, before it. Parsed only for events that a subscriber filters by a field.
function statesOf(event: FeedEvent): readonly State[] {
  const found = known.get(event);
  if (found) return found;
  const { previous, ...entity } = JSON.parse(event.json).data as Record<string, State>;
  const after = Object.values(entity)[0] ?? {};
  const states = previous ? [after, { ...after, ...previous }] : [after];
  known.set(event, states);
  return states;
}
