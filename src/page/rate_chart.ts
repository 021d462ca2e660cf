// What a currency was worth, day by day: a line, a cursor that arrow keys move and that says where it stands, and the
// same in a table.
import { html, nothing, type TemplateResult } from 'lit-html';
import type uPlot from 'uplot';
import type { App } from './app.ts';
import type { Speech } from './format.ts';
import { latest } from './paint.ts';
import type { Currency } from './rows.ts';
import type { Page } from './service.ts';

interface RateChart {
  view(): TemplateResult;
  painted(): void;
  show(code: string): void;
  /** The currency as it is by now. */
  refresh(currency: Currency | undefined): void;
  /** The currency as of the moment that is shown, null where it was not there; undefined for now. */
  until(currency: Currency | null | undefined): void;
}

interface Point {
  rate_date: string;
  rate: string;
}

const DAYS = { month: 31, quarter: 92, year: 366 } as const;
type Period = keyof typeof DAYS;
const PERIODS = Object.keys(DAYS) as Period[];
const PAGE = 200;
const DAY = 86_400_000; // ms

export function createRateChart({ speech, service, moment }: App, changed: () => void): RateChart {
  const { words } = speech;
  let code: string | undefined;
  let period: Period = 'quarter';
  let points: readonly Point[] = []; // what is shown of what is known
  let known: readonly Point[] = [];
  let then: Currency | null | undefined;
  let drawn: readonly Point[] | undefined;
  let isLoaded = false;
  let cursor: number | undefined; // undefined for the newest day
  let plot: uPlot | undefined;
  let place: HTMLElement | undefined;

  const load = latest<void>(async () => {
    const from = new Date(Date.now() - DAYS[period] * DAY).toISOString().slice(0, 10);
    const wanted = code;
    const found: Point[] = [];
    let next: string | null = '';
    try {
      while (next !== null) {
        const page: Page<Point> = await service.get(
          `/currencies/${wanted}/rates?from=${from}&limit=${PAGE}${next && `&cursor=${encodeURIComponent(next)}`}`,
        );
        found.push(...page.data);
        next = page.next_cursor;
      }
    } catch {
      // There may be none, or none that may be read: the panel's rows say so.
    }
    if (wanted !== code) return;
    known = found;
    isLoaded = true;
    cursor = undefined;
    cut();
    changed();
  });

  // Of the past what was known then: the days up to the currency's own.
  function cut(): void {
    if (then === undefined) points = known;
    else if (then === null) points = [];
    else {
      const { rate_date, rate } = then;
      points = [...known.filter(point => point.rate_date < rate_date), { rate_date, rate }];
    }
  }

  const at = () => points[Math.min(cursor ?? points.length - 1, points.length - 1)];
  const spoken = (point: Point | undefined) =>
    point === undefined
      ? words.noHistory
      : `${speech.longDay(point.rate_date)}: ${words.roubles.replace('{n}', speech.decimal(point.rate))}`;

  function move(to: number): void {
    cursor = Math.max(0, Math.min(points.length - 1, to));
    placeCursor();
    changed();
  }

  const onKey = (event: KeyboardEvent) => {
    const now = cursor ?? points.length - 1;
    const steps: Partial<Record<string, number>> = {
      ArrowLeft: now - 1,
      ArrowDown: now - 1,
      ArrowRight: now + 1,
      ArrowUp: now + 1,
      PageDown: now - 30,
      PageUp: now + 30,
      Home: 0,
      End: points.length - 1,
    };
    const to = steps[event.key];
    if (to === undefined) return;
    event.preventDefault();
    move(to);
  };

  function placeCursor(): void {
    const point = at();
    if (!plot || !point || cursor === undefined) return;
    const left = plot.valToPos(secondsOf(point), 'x');
    plot.setCursor({ left, top: plot.valToPos(Number(point.rate), 'y') }, false);
  }

  async function draw(element: HTMLElement): Promise<void> {
    const { default: Plot } = await import('uplot');
    if (plot || !element.isConnected) return;
    plot = new Plot(optionsOf(element, speech), dataOf(points), element);
    drawn = points;
    new ResizeObserver(() => plot?.setSize(sizeOf(element))).observe(element);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => plot?.redraw());
    element.addEventListener('pointermove', () => {
      const index = plot?.cursor.idx;
      if (index === null || index === undefined || index === cursor) return;
      cursor = index;
      changed();
    });
  }

  return {
    show(next) {
      if (next === code) return;
      code = next;
      load();
    },
    refresh(currency) {
      if (!currency || !isLoaded) return;
      const { rate_date, rate } = currency;
      const last = known.at(-1);
      const index = known.findIndex(point => point.rate_date === rate_date);
      if (index >= 0 && known[index]?.rate === rate) return;
      if (index >= 0) known = known.with(index, { rate_date, rate });
      else if (!last || last.rate_date < rate_date) known = [...known, { rate_date, rate }];
      cut();
    },
    until(currency) {
      if (then === currency) return;
      then = currency;
      cursor = undefined;
      cut();
    },
    painted() {
      place ??= document.querySelector<HTMLElement>('.plot') ?? undefined;
      if (!place || points === drawn) return;
      if (!plot) return void (points.length > 0 && draw(place));
      drawn = points;
      plot.setData(dataOf(points));
      placeCursor();
    },
    view() {
      const point = at();
      const first = points[0];
      const change = point && first ? Number(point.rate) / Number(first.rate) - 1 : undefined;
      const isThen = moment.value !== undefined;
      return html`
        <div class="chart-head">
          <b>${code ?? nothing}</b>
          <strong class="reading">${point ? `${speech.rate(point.rate)} ₽` : nothing}</strong>
          <span class="since ${(change ?? 0) < 0 ? 'down' : 'up'}">${change ? speech.percent(change) : nothing}</span>
          <span class="muted">${point ? speech.longDay(point.rate_date) : nothing}</span>
        </div>
        <div class="plot" role="slider" tabindex="0" aria-label=${words.rateHistory.replace('{code}', code ?? '')}
          title=${isThen ? words.presentRates : words.chartHelp} aria-valuemin="0" aria-valuemax=${Math.max(0, points.length - 1)}
          aria-valuenow=${Math.max(0, cursor ?? points.length - 1)} aria-valuetext=${spoken(point)} @keydown=${onKey}></div>
        <div class="chart-foot">
          <span class="chips" role="group" aria-label=${words.period}>${PERIODS.map(
            each =>
              html`<button class="chip" aria-pressed=${each === period} @click=${() => {
                period = each;
                load();
                changed();
              }}>${words[each]}</button>`,
          )}</span>
        </div>
        <details class="points"><summary>${words.table}</summary>
          <div class="points-room" tabindex="0" role="group" aria-label=${words.rateHistory.replace('{code}', code ?? '')}>
          <table><caption class="unseen">${words.rateHistory.replace('{code}', code ?? '')}</caption>
            <thead><tr><th scope="col">${words.day}</th><th scope="col" class="number">${words.rate}, ₽</th></tr></thead>
            <tbody>${[...points]
              .reverse()
              .map(
                each =>
                  html`<tr><th scope="row">${speech.longDay(each.rate_date)}</th><td class="number" title=${each.rate}>${speech.rate(each.rate)}</td></tr>`,
              )}</tbody></table></div>
        </details>`;
    },
  };
}

function secondsOf({ rate_date }: Point): number {
  return Date.parse(`${rate_date}T00:00:00Z`) / 1000;
}

function dataOf(points: readonly Point[]): uPlot.AlignedData {
  return [points.map(secondsOf), points.map(({ rate }) => Number(rate))];
}

function sizeOf({ clientWidth: width, clientHeight: height }: HTMLElement): {
  width: number;
  height: number;
} {
  return { width: Math.max(80, width), height: Math.max(60, height) };
}

// A canvas knows no custom properties: the colours are read where the style has resolved them.
function optionsOf(element: HTMLElement, speech: Speech): uPlot.Options {
  const line = () => getComputedStyle(element).color;
  const muted = () => getComputedStyle(element).outlineColor;
  const faint = () => getComputedStyle(element).borderTopColor;
  const axis = { stroke: muted, font: '11px system-ui', ticks: { show: false } };
  return {
    ...sizeOf(element),
    legend: { show: false },
    padding: [8, 8, 0, 0],
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
    scales: { x: { time: true } },
    axes: [
      {
        ...axis,
        grid: { show: false },
        space: 70,
        size: 22,
        gap: 4,
        values: (_, splits) =>
          splits.map(each => speech.day(new Date(each * 1000).toISOString().slice(0, 10))),
      },
      { ...axis, grid: { stroke: faint, width: 1 }, size: 48, space: 30 },
    ],
    series: [{}, { stroke: line, width: 1.6, points: { show: (self: uPlot) => self.data[0].length < 3 } }],
  };
}
