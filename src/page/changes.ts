// Who changed what last, as the events tell it: rows know neither who wrote them nor that they have just changed.
import type { Told } from './rows.ts';

export interface Change {
  position: number;
  type: string;
  origin: string;
  actor: string | undefined;
  time: string;
  /** When the page heard of it; undefined of what was there before the page was. */
  heard: number | undefined;
}

export interface Changes {
  /** Takes an event that has just come. */
  note(event: Told): void;
  /** Takes events that were there before. */
  recall(events: readonly Told[]): void;
  /** Calls back when some were recalled: of those that come, the rows tell by themselves. */
  watch(listener: () => void): void;
  of(subject: string): Change | undefined;
  /** How to light up a row: a name that differs from the last one's, so that the light begins anew; '' for not. */
  light(subject: string): '' | 'lit-a' | 'lit-b';
}

const MOST = 20_000;
export const LIGHT = 1_600; // ms, as in style.css

export function createChanges(): Changes {
  const changes = new Map<string, Change & { turn: number }>();
  const listeners = new Set<() => void>();
  function take(event: Told, heard: number | undefined): void {
    const { position, type, origin, time, subject } = event;
    const known = changes.get(subject);
    if (known && known.position >= position) return;
    changes.delete(subject); // so that it stands last
    const actor = event.actor?.name;
    changes.set(subject, { position, type, origin, actor, time, heard, turn: (known?.turn ?? 0) + 1 });
    if (changes.size <= MOST) return;
    const [oldest = ''] = changes.keys();
    changes.delete(oldest);
  }
  return {
    note: event => take(event, performance.now()),
    recall(events) {
      for (const event of events) take(event, undefined);
      for (const listener of listeners) listener();
    },
    watch: listener => void listeners.add(listener),
    of: subject => changes.get(subject),
    light(subject) {
      const change = changes.get(subject);
      if (change?.heard === undefined || performance.now() - change.heard > LIGHT) return '';
      return change.turn % 2 === 0 ? 'lit-a' : 'lit-b';
    },
  };
}
