// The events as they come. A pause keeps nothing: the log is the buffer, and what came meanwhile is counted by its positions.
import { html, nothing } from 'lit-html';
import { repeat } from 'lit-html/directives/repeat.js';
import type { App } from './app.ts';
import { describeEvent, titleOf, whoOf } from './event_words.ts';
import { PAUSE, PLAY } from './icons.ts';
import { latest, painter } from './paint.ts';
import { panelHead } from './panel_head.ts';
import type { Told } from './rows.ts';

interface TailPanel {
  togglePause(): void;
}

const SHOWN = 100;

export function createTailPanel(root: HTMLElement, app: App): TailPanel {
  const { speech, live, moment, service, changes, notices } = app;
  const { words } = speech;
  let events: Told[] = []; // newest first
  let pausedAt: number | undefined;
  let past: { position: number | undefined; events: Told[]; error: unknown } = NOTHING;
  let refusal: string | undefined;
  // Events stand by transform, so that those that newer ones push down do not shift the layout.
  let height = heightOfEvent();
  addEventListener('resize', () => {
    height = heightOfEvent();
    paint();
  });

  const read = async (position: number) => {
    const after = Math.max(0, position - SHOWN);
    const { data } = await service.get<{ data: Told[] }>(`/events?after=${after}&limit=${SHOWN}`);
    return data.filter(event => event.position <= position).reverse();
  };

  const loadPast = latest<number>(async position => {
    try {
      past = { position, events: await read(position), error: undefined };
    } catch (error) {
      past = { position, events: [], error };
    }
    paint();
  });

  // What was there before, and what a pause left in the log: the newest of it, so that however long it took, a page is read.
  const fill = latest<void>(async () => {
    const head = live.link.value.head;
    if (head === undefined) return;
    try {
      const found = await read(head);
      changes.recall(found);
      merge(found);
      refusal = undefined;
    } catch (error) {
      refusal = error instanceof Error ? error.message : String(error);
    }
    paint();
  });

  function merge(found: readonly Told[]): void {
    const known = new Map([...events, ...found].map(event => [event.position, event]));
    events = [...known.values()].sort((a, b) => b.position - a.position).slice(0, SHOWN);
  }

  function togglePause(): void {
    if (pausedAt === undefined) pausedAt = live.link.value.position ?? 0;
    else {
      const missed = (live.link.value.position ?? 0) - pausedAt;
      pausedAt = undefined;
      fill();
      if (missed > SHOWN) notices.say(speech.count(words.skipped, missed - SHOWN));
    }
    paint();
  }

  function eventView(event: Told, index: number) {
    const { position, type, time } = event;
    const who = whoOf({ ...event, actor: event.actor?.name }, speech);
    const change = changes.of(event.subject);
    const isNew = change?.position === position && moment.value === undefined;
    const told = event.data.previous || type === 'run_succeeded' ? describeEvent(event, speech) : '';
    return html`<li class="event ${isNew ? changes.light(event.subject) : ''}"
      .style=${`transform:translateY(${index * height}px)`}>
      <button class="at" aria-label=${words.seeThen.replace('{n}', speech.number(position))} title=${words.seeThen.replace('{n}', speech.number(position))}
        @click=${() => moment.set(position)}>${speech.number(position)}</button>
      <span class="what"><b class=${kindOf(type)}>${words.types[type] ?? type}</b> ${titleOf(event, speech)}
        ${told ? html`<small>${told}</small>` : nothing}</span>
      <span class="by"><i class="origin ${event.origin}">${who}</i> <time title=${speech.exact(time)}>${speech.clock(time)}</time></span>
    </li>`;
  }

  const paint = painter(root, () => {
    const isThen = moment.value !== undefined;
    const shown = isThen ? past.events : events;
    const missed = pausedAt === undefined ? 0 : Math.max(0, (live.link.value.position ?? 0) - pausedAt);
    const aside = isThen
      ? nothing
      : html`<span class="paused" role="status">${pausedAt === undefined ? nothing : speech.count(words.whilePaused, missed)}</span>
        <button class="quiet" aria-pressed=${pausedAt !== undefined} @click=${togglePause}>${
          pausedAt === undefined ? html`${PAUSE} ${words.pause}` : html`${PLAY} ${words.resume}`
        }</button>`;
    return html`
      ${panelHead(app, { id: 'tail', title: words.events, past, aside })}
      <div class="table-room" tabindex="0" role="group" aria-label=${words.events}>
        <ol class="events" .style=${`height:${shown.length * height}px`}>${repeat(shown, ({ position }) => position, eventView)}</ol>
        ${shown.length === 0 && live.link.value.head !== undefined ? html`<p class="empty">${refusal ?? words.noEvents}</p>` : nothing}
      </div>`;
  });

  live.hear(event => {
    if (pausedAt !== undefined) return;
    events.unshift(event);
    // In one go and not at each event: a thousand come in a second.
    if (events.length > 2 * SHOWN) events.length = SHOWN;
    paint();
  });
  let wasLive = false;
  live.link.watch(({ phase, position }) => {
    const isLive = phase === 'live' && position !== undefined;
    if (isLive && !wasLive && pausedAt === undefined) fill();
    wasLive = isLive;
    if (pausedAt !== undefined) paint();
  });
  moment.watch(position => {
    if (position === undefined) past = NOTHING;
    else loadPast(position);
    paint();
  });
  return { togglePause };
}

const NOTHING = { position: undefined, events: [], error: undefined };

function kindOf(type: string): string {
  return /_(deleted|failed)$/.test(type) ? 'gone' : /_(created|succeeded)$/.test(type) ? 'fresh' : '';
}

function heightOfEvent(): number {
  return Number.parseFloat(getComputedStyle(document.documentElement).getPropertyValue('--event')) || 44;
}
