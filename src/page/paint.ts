// When the page is painted: once a frame at most, however many events have come.
import { render, type TemplateResult } from 'lit-html';

const dirty = new Set<() => void>();
let asked = false;

/** Paints a part of the page when it was told that something has changed; the first time at once. */
export function painter(root: HTMLElement, view: () => TemplateResult, painted?: () => void): () => void {
  const paint = () => {
    render(view(), root);
    painted?.();
  };
  paint();
  return () => {
    dirty.add(paint);
    if (asked) return;
    asked = true;
    requestAnimationFrame(flush);
  };
}

function flush(): void {
  asked = false;
  const paints = [...dirty];
  dirty.clear();
  for (const paint of paints) paint();
}

/** Something that others want to hear of when it changes. */
export interface Watched<Value> {
  readonly value: Value;
  set(value: Value): void;
  watch(listener: (value: Value) => void): void;
}

export function watched<Value>(first: Value): Watched<Value> {
  const listeners = new Set<(value: Value) => void>();
  let value = first;
  return {
    get value() {
      return value;
    },
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const listener of listeners) listener(next);
    },
    watch: listener => void listeners.add(listener),
  };
}

/**
 * Loads one thing after another, each time the newest that was wanted: what was wanted in between is never asked for, so
 * that a slider that moves faster than answers come never queues.
 */
export function latest<Wanted>(load: (wanted: Wanted) => Promise<void>): (wanted: Wanted) => void {
  let next: { wanted: Wanted } | undefined;
  let busy = false;
  const run = async () => {
    busy = true;
    while (next) {
      const { wanted } = next;
      next = undefined;
      await load(wanted);
    }
    busy = false;
  };
  return wanted => {
    next = { wanted };
    if (!busy) void run();
  };
}
