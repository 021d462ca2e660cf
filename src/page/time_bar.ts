// The bar at the top: the time slider over the whole log, and how the connection stands.
import { html, nothing } from 'lit-html';
import { live as bound } from 'lit-html/directives/live.js';
import type { App } from './app.ts';
import { BACK, FORTH, KEYS } from './icons.ts';
import { latest, painter } from './paint.ts';
import type { Told } from './rows.ts';

/** `help` shows the keys, `showAccess` what the token allows, where there is one. */
export function createTimeBar(
  root: HTMLElement,
  { speech, live, moment, service, access }: App,
  { help, showAccess }: { help(): void; showAccess(): void },
): void {
  const { words } = speech;
  let time: { position: number; at: string } | undefined;

  const readTime = latest<number>(async position => {
    if (position === 0) return;
    const query = `/events?after=${position - 1}&limit=1`;
    const { data } = await service.get<{ data: Told[] }>(query).catch(() => ({ data: [] }));
    const [event] = data;
    if (event?.position === position) time = { position, at: event.time };
    paint();
  });

  function go(to: number): void {
    const head = live.link.value.position ?? 0;
    const position = Math.max(0, Math.min(head, to));
    moment.set(position);
  }

  const lateness = (lag: number) =>
    lag < 1 ? words.lagUnder : words.lag.replace('{n}', speech.number(Math.round(lag)));

  function sliderView() {
    const head = live.link.value.position ?? 0;
    const then = moment.value;
    const shown = then ?? head;
    const at = time?.position === then ? time?.at : undefined;
    const { phase, lag } = live.link.value;
    const late = lag === undefined || phase !== 'live' ? '' : ` · ${lateness(lag)}`;
    const told =
      then === undefined
        ? words.position.replace('{n}', speech.number(head)) + late
        : at === undefined
          ? words.asOf.replace('{n}', speech.number(then))
          : words.asOfTime.replace('{n}', speech.number(then)).replace('{time}', speech.second(at));
    return html`<div class="time ${then === undefined ? '' : 'then'}">
      <button class="sign" aria-label=${words.earlier} title=${words.earlier} ?disabled=${head === 0 || shown === 0} @click=${() => go(shown - 1)}>${BACK}</button>
      <input type="range" min="0" max=${head} step="1" .value=${bound(String(shown))} aria-label=${words.timeline} aria-valuetext=${then === undefined ? `${words.live}, ${words.position.replace('{n}', speech.number(head))}` : told}
        title=${words.timelineHelp} ?disabled=${head === 0} @input=${(event: Event) => go(Number((event.target as HTMLInputElement).value))}>
      <button class="sign" aria-label=${words.later} title=${words.later} ?disabled=${then === undefined} @click=${() => go(shown + 1)}>${FORTH}</button>
      <span class="told">${told}</span>
      <button class="main back" @click=${() => moment.set(undefined)}>${words.backToLive}</button>
    </div>`;
  }

  function connectionView() {
    const { phase, position, head } = live.link.value;
    const isBehind = phase === 'live' && (head ?? 0) > (position ?? 0);
    const name = isBehind ? words.catchingUp : words[phase];
    const unsent = live.tasks.items.filter(({ id }) => live.tasks.isPending(id)).length;
    return html`<div class="link ${isBehind ? 'behind' : phase}" role="group" aria-label=${words.connection}>
      <span class="dot"></span><b role="status">${name}</b>
      ${unsent > 0 && phase !== 'live' ? html`<span class="unsent">${speech.count(words.unsent, unsent)}</span>` : nothing}
    </div>`;
  }

  const paint = painter(
    root,
    () => html`
      <h1>Taskwire</h1>
      ${sliderView()}
      ${connectionView()}
      <div class="bar-acts">
        ${access.allowed?.token ? html`<button class="quiet" title=${words.scopes} @click=${showAccess}>${access.allowed.token.name}</button>` : nothing}
        <a href="/docs">${words.api}</a>
        <button class="sign" aria-label=${words.keys} title=${`${words.keys} (?)`} @click=${help}>${KEYS}</button>
      </div>`,
  );

  live.link.watch(() => paint());
  live.tasks.watch(() => paint());
  moment.watch(position => {
    document.body.classList.toggle('then', position !== undefined);
    if (position !== undefined) readTime(position);
    paint();
  });
}
