// The currencies: what they are worth and were, on a chart and in a table, and what an amount is in another one.
import { html, nothing } from 'lit-html';
import { repeat } from 'lit-html/directives/repeat.js';
import type { App } from './app.ts';
import { LIGHT } from './changes.ts';
import { createConverter } from './converter.ts';
import { whoOf } from './event_words.ts';
import { painter } from './paint.ts';
import { panelHead } from './panel_head.ts';
import { createPastList } from './past_list.ts';
import { createRateChart } from './rate_chart.ts';
import type { Currency } from './rows.ts';

const FIRST = 'USD';

export function createRatesPanel(root: HTMLElement, app: App): void {
  const { speech, live, moment, changes, service } = app;
  const { words } = speech;
  let chosen: string | undefined;
  const past = createPastList<Currency>(service, '/currencies', () => paint());
  const chart = createRateChart(app, () => paint());
  const converter = createConverter(app, () => paint());

  const rowsOf = () => {
    const rows = moment.value === undefined ? live.currencies.items : past.rows;
    return [...rows].sort((a, b) => (a.currency < b.currency ? -1 : 1));
  };

  // Against the rate before the last change, which only its event tells; undefined where none was heard.
  function changeView({ id }: Currency) {
    const previous = live.previousRates.get(id);
    if (previous === undefined || moment.value !== undefined) return nothing;
    const rows = live.currencies.items.find(each => each.id === id);
    const change = rows ? Number(rows.rate) / Number(previous) - 1 : 0;
    if (change === 0) return nothing;
    return html`<span class=${change > 0 ? 'up' : 'down'}>${change > 0 ? '▲' : '▼'} ${speech.percent(change)}</span>`;
  }

  function rowView(currency: Currency) {
    const { id, currency: code, name, rate, rate_date } = currency;
    const change = changes.of(id);
    const isChosen = code === chosen;
    return html`<tr class="${isChosen ? 'chosen' : ''} ${moment.value === undefined ? changes.light(id) : ''}">
      <th scope="row"><button class="pick" aria-pressed=${isChosen} @click=${() => choose(code)}>${code}</button></th>
      <td class="name">${name}</td>
      <td class="number" title=${rate}>${replaced(speech.rate(rate))}</td>
      <td class="number change">${changeView(currency)}</td>
      <td class="number day" title=${change ? words.changedBy.replace('{who}', whoOf(change, speech)) : ''}>${speech.day(rate_date)}</td>
    </tr>`;
  }

  function choose(code: string): void {
    chosen = code;
    chart.show(code);
    paint();
  }

  const paint = painter(
    root,
    () => {
      const rows = rowsOf();
      chart.until(
        moment.value === undefined ? undefined : (rows.find(({ currency }) => currency === chosen) ?? null),
      );
      const { ready, refusal } = live.currencies;
      const isEmpty = rows.length === 0 && (ready || refusal !== undefined || moment.value !== undefined);
      return html`
        ${panelHead(app, { id: 'rates', title: words.rates, past })}
        <div class="chart-room">${chart.view()}</div>
        ${converter.view(rows)}
        <div class="table-room" tabindex="0" role="group" aria-label=${words.rates}>
          <table class="rates">
            <thead><tr><th scope="col">${words.code}</th><th scope="col" class="name">${words.name}</th>
              <th scope="col" class="number">${words.rate}, ₽</th><th scope="col" class="number change">${words.change}</th>
              <th scope="col" class="number day">${words.day}</th></tr></thead>
            <tbody>${repeat(rows, ({ id }) => id, rowView)}</tbody>
          </table>
          ${isEmpty ? html`<p class="empty">${refusal ?? words.noRates}</p>` : nothing}
        </div>`;
    },
    () => chart.painted(),
  );

  live.currencies.watch(() => {
    if (chosen === undefined) {
      const rows = rowsOf();
      const first = rows.find(({ currency }) => currency === FIRST) ?? rows[0];
      if (first) choose(first.currency);
    } else chart.refresh(live.currencies.items.find(({ currency }) => currency === chosen));
    converter.refresh();
    paint();
    setTimeout(paint, LIGHT + 50);
  });
  moment.watch(position => {
    past.show(position);
    paint();
  });
}

// A new text in the place of the old one: a number that only grew longer would count as having moved.
function replaced(text: string) {
  return repeat(
    [text],
    each => each,
    each => html`<span>${each}</span>`,
  );
}
