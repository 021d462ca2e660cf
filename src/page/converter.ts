// What an amount is worth in another currency. The service reckons, exactly; the page rounds what it shows.
import { html, type TemplateResult } from 'lit-html';
import { live as bound } from 'lit-html/directives/live.js';
import type { App } from './app.ts';
import { wordsFor } from './fault_words.ts';
import { SWAP } from './icons.ts';
import { latest } from './paint.ts';
import type { Currency } from './rows.ts';

export interface Converter {
  view(currencies: readonly Currency[]): TemplateResult;
  /** Reckons again: a rate may have changed. */
  refresh(): void;
}

interface Converted {
  result: string;
}

export function createConverter({ speech, service }: App, changed: () => void): Converter {
  const { words } = speech;
  let [from, to, amount] = ['USD', 'RUB', '100'];
  let answer: { text: string; exact: string; isFault: boolean } | undefined;

  const reckon = latest<void>(async () => {
    const given = amount
      .trim()
      .replaceAll(/[\s\u00a0]/g, '')
      .replace(',', '.');
    if (given === '') answer = undefined;
    else {
      const query = new URLSearchParams({ from, to, amount: given });
      answer = await service.get<Converted>(`/currencies/convert?${query}`).then(
        ({ result }) => ({ text: speech.decimal(result, 4), exact: `${result} ${to}`, isFault: false }),
        (error: unknown) => ({ text: wordsFor(error, speech), exact: '', isFault: true }),
      );
    }
    changed();
  });

  return {
    refresh: () => reckon(),
    view(currencies) {
      const codes = [...new Set([...currencies.map(({ currency }) => currency), 'RUB'])].sort();
      const pick = (name: string, value: string, set: (code: string) => void) =>
        html`<select aria-label=${name} .value=${bound(value)} @change=${(event: Event) => {
          set((event.target as HTMLSelectElement).value);
          reckon();
        }}>${[...new Set([...codes, value])].map(code => html`<option value=${code} ?selected=${code === value}>${code}</option>`)}</select>`;
      return html`<form class="converter" aria-label=${words.convert} @submit=${(event: Event) => event.preventDefault()}>
        <input inputmode="decimal" aria-label=${words.amount} .value=${bound(amount)} autocomplete="off" @input=${(
          event: Event,
        ) => {
          amount = (event.target as HTMLInputElement).value;
          reckon();
        }}>
        ${pick(words.from, from, code => {
          from = code;
        })}
        <button type="button" class="sign" aria-label=${words.swap} title=${words.swap} @click=${() => {
          [from, to] = [to, from];
          reckon();
        }}>${SWAP}</button>
        ${pick(words.to, to, code => {
          to = code;
        })}
        <output class=${answer?.isFault ? 'fault' : ''} title=${answer?.exact ?? ''}>${answer ? (answer.isFault ? '' : '= ') + answer.text : ''}</output>
        <small>${words.presentRates}</small>
      </form>`;
    },
  };
}
