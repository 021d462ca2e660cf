// The head of a panel: what it is, of when, and what went wrong.
import { html, nothing, type TemplateResult } from 'lit-html';
import type { App } from './app.ts';
import { wordsFor } from './fault_words.ts';

interface PanelHead {
  id: string;
  title: string;
  /** What it shows of the past; without one it has none. */
  past?: { readonly position: number | undefined; readonly error: unknown };
  /** What stands beside the title, and what at the other end. */
  beside?: unknown;
  aside?: unknown;
}

export function panelHead(
  { speech, moment }: App,
  { id, title, past, beside, aside }: PanelHead,
): TemplateResult {
  const { words } = speech;
  const isThen = moment.value !== undefined;
  const asOf =
    past?.position === undefined ? nothing : words.asOf.replace('{n}', speech.number(past.position));
  return html`<div class="panel-head">
    <h2 id=${`${id}-heading`}>${title}</h2>
    ${beside === undefined ? nothing : html`<span class="beside">${beside}</span>`}
    ${isThen && past ? html`<span class="as-of">${asOf}</span>` : nothing}
    ${isThen && past?.error ? html`<span class="fault">${wordsFor(past.error, speech)}</span>` : nothing}
    <span class="aside">${aside ?? nothing}</span>
  </div>`;
}
