// What the page says in passing: what was missed, what did not work, and how to undo. Spoken politely, as well.
import { html, nothing } from 'lit-html';
import { repeat } from 'lit-html/directives/repeat.js';
import type { Speech } from './format.ts';
import { CLOSE } from './icons.ts';
import { painter } from './paint.ts';

interface Notice {
  id: number;
  text: string;
  action: { name: string; act(): void } | undefined;
  isFault: boolean;
}

export interface Notices {
  say(text: string, more?: { action?: Notice['action']; isFault?: boolean }): void;
}

const STAYS = 8_000; // ms; what can be undone or went wrong stays longer
const MOST = 3;

export function createNotices(root: HTMLElement, { words }: Speech): Notices {
  let notices: Notice[] = [];
  let last = 0;
  const drop = (id: number) => {
    notices = notices.filter(each => each.id !== id);
    paint();
  };
  const paint = painter(
    root,
    () =>
      html`${repeat(
        notices,
        ({ id }) => id,
        ({ id, text, action, isFault }) => html`
          <div class="notice ${isFault ? 'fault' : ''}">
            <span>${text}</span>
            ${
              action
                ? html`<button class="quiet" @click=${() => {
                    drop(id);
                    action.act();
                  }}>${action.name}</button>`
                : nothing
            }
            <button class="sign" aria-label=${words.dismiss} @click=${() => drop(id)}>${CLOSE}</button>
          </div>`,
      )}`,
  );
  return {
    say(text, { action, isFault = false } = {}) {
      const id = ++last;
      // The same words again replace themselves.
      notices = [...notices.filter(each => each.text !== text), { id, text, action, isFault }].slice(-MOST);
      paint();
      setTimeout(() => drop(id), action || isFault ? 2 * STAYS : STAYS);
    },
  };
}
