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
  /** Takes an event; of those that were there before, `heard` is undefined. */
  note(event: Told, heard: number | undefined): void;
  of(subject: string): Change | undefined;
  /** How to light up a row: a name that differs from the last one's, so that the light begins anew; '' for not. */
  light(subject: string): '' | 'lit-a' | 'lit-b';
}

const MOST = 20_000;
export const LIGHT = 1_600; // ms, as in style.css

export function createChanges(): Changes {
  const changes = new Map<string, Change & { turn: number }>();
  return {
    note(event, heard) {
      const { position, type, origin, time, subject } = event;
      const known = changes.get(subject);
      if (known && known.position >= position) return;
      changes.delete(subject); // so that it stands last
      const actor = event.actor?.name;
      changes.set(subject, { position, type, origin, actor, time, heard, turn: (known?.turn ?? 0) + 1 });
      if (changes.size <= MOST) return;
      const [oldest = ''] = changes.keys();
      changes.delete(oldest);
    },
    of: subject => changes.get(subject),
    light(subject) {
      const change = changes.get(subject);
      if (change?.heard === undefined || performance.now() - change.heard > LIGHT) return '';
      return change.turn % 2 === 0 ? 'lit-a' : 'lit-b';
    },
  };
}
