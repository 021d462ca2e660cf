// An event in a few words, and who made it.
import type { Speech } from './format.ts';
import type { Run, Told } from './rows.ts';

/** Who made a change: the way it came in, and the token's name where it had one. */
export function whoOf(
  change: { origin: string; actor?: string | undefined } | undefined,
  { words }: Speech,
): string {
  if (!change) return '';
  const origin = words.origins[change.origin] ?? change.origin;
  return change.actor === undefined ? origin : `${origin} ${words.by.replace('{actor}', change.actor)}`;
}

/** What changed: the fields of an update, old and new; else what it is called. */
export function describeEvent({ type, data }: Told, speech: Speech): string {
  const row = rowOf(data);
  if (type.startsWith('run_')) return type === 'run_succeeded' ? resultOf(row as unknown as Run, speech) : '';
  if (!data.previous) return nameOf(row, type, speech);
  const changed = Object.keys(data.previous).filter(name => !SILENT.has(name));
  const told = changed.map(name => difference(name, data.previous?.[name], row[name], speech));
  return told.join(' · ') || nameOf(row, type, speech);
}

const COUNTS = ['fetched', 'created', 'updated', 'unchanged', 'rejected'] as const;

/** What a run has done, as far as it came. */
export function resultOf(run: Run, { words, number }: Speech): string {
  const told = COUNTS.filter(name => run[name] > 0 || name === 'fetched');
  return told.map(name => words[name].replace('{n}', number(run[name]))).join(', ');
}

/** What the row of an event is called. */
export function titleOf({ type, data }: Told, speech: Speech): string {
  return nameOf(rowOf(data), type, speech);
}

// Of these every change has some.
const SILENT = new Set(['version', 'updated_at', 'timestamp', 'completed_at']);

function rowOf(data: Told['data']): Readonly<Record<string, unknown>> {
  const [, row] = Object.entries(data).find(([name]) => name !== 'previous') ?? [];
  return (row ?? {}) as Record<string, unknown>;
}

function nameOf(row: Readonly<Record<string, unknown>>, type: string, speech: Speech): string {
  if (type.startsWith('run_')) {
    const kind = speech.words.kinds[String(row.kind)] ?? String(row.kind);
    return row.error ? `${kind}: ${row.error}` : kind;
  }
  if (type === 'currency_updated') return String(row.currency);
  if (type.startsWith('currency_')) return `${row.currency} ${speech.decimal(String(row.rate))}`;
  return String(row.title ?? row.name ?? row.id ?? '');
}

function difference(name: string, from: unknown, to: unknown, speech: Speech): string {
  const { words } = speech;
  const value = (each: unknown) => {
    if (each === null || each === undefined) return '—';
    if (name === 'status') return words.statuses[each as 'todo'] ?? String(each);
    if (name === 'priority') return words.priorities[each as 'low'] ?? String(each);
    if (name === 'rate') return speech.decimal(String(each));
    if (name === 'rate_date') return speech.day(String(each));
    if (name === 'due_at') return speech.moment(String(each));
    const text = Array.isArray(each) ? each.join(', ') : String(each);
    return text.length > 60 ? `${text.slice(0, 59)}…` : text || '—';
  };
  const names: Readonly<Record<string, string>> = {
    title: words.title,
    description: words.description,
    status: words.status,
    priority: words.priority,
    due_at: words.due,
    labels: words.labels,
    rate: words.rate,
    rate_date: words.day,
    name: words.name,
  };
  return `${names[name] ?? name}: ${value(from)} → ${value(to)}`;
}
