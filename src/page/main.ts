// The live page: puts its panels together on one client.
import { html } from 'lit-html';
import { createAccess } from './access.ts';
import type { App } from './app.ts';
import { createChanges } from './changes.ts';
import { showAccess, showKeys } from './dialogs.ts';
import { createSpeech } from './format.ts';
import { createLive } from './live.ts';
import { createNotices } from './notices.ts';
import { painter, watched } from './paint.ts';
import { createRatesPanel } from './rates_panel.ts';
import { createRunsPanel } from './runs_panel.ts';
import { createService } from './service.ts';
import { createTailPanel } from './tail_panel.ts';
import { createTasksPanel } from './tasks_panel.ts';
import { createTimeBar } from './time_bar.ts';

const at = (id: string) => document.getElementById(id) as HTMLElement;

const speech = createSpeech(navigator.languages);
const { words } = speech;
document.documentElement.lang = speech.language;

const access = await createAccess(at('dialogs'), speech);
const service = createService(access);
const notices = createNotices(at('notices'), speech);
const live = createLive({ access, service, speech, notices });
const changes = createChanges();
live.hear(changes.note);
const app: App = {
  speech,
  access,
  live,
  service,
  notices,
  changes,
  moment: watched<number | undefined>(undefined),
};

const help = () => showKeys(at('dialogs'), speech);
createTimeBar(at('bar'), app, { help, showAccess: () => showAccess(at('dialogs'), speech, access) });
const tasks = createTasksPanel(at('tasks'), app);
createRatesPanel(at('rates'), app);
createRunsPanel(at('runs'), app);
const tail = createTailPanel(at('tail'), app);

// A phone shows one panel at a time.
const TABS = { tasks: words.tasks, rates: words.rates, tail: words.events, runs: words.runs };
type Tab = keyof typeof TABS;
const tab = watched<Tab>('tasks');
at('tabs').setAttribute('aria-label', words.panels);
const paintTabs = painter(
  at('tabs'),
  () =>
    html`${(Object.keys(TABS) as Tab[]).map(
      each =>
        html`<button aria-pressed=${each === tab.value} @click=${() => tab.set(each)}>${TABS[each]}</button>`,
    )}`,
);
document.body.dataset.tab = tab.value;
tab.watch(value => {
  document.body.dataset.tab = value;
  paintTabs();
  dispatchEvent(new Event('resize')); // what was hidden had no size
});

const KEYS: Readonly<Record<string, () => void>> = {
  n: tasks.focusNew,
  '/': tasks.focusSearch,
  p: tail.togglePause,
  l: () => app.moment.set(undefined),
  '?': help,
};

// By where a key stands on the keyboard, too, so that they work with a Russian layout.
addEventListener('keydown', event => {
  const target = event.target as HTMLElement;
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
  if (target.closest('input:not([type=range]), select, textarea')) {
    if (event.key === 'Escape') tasks.focusList();
    return;
  }
  const letter = event.code.startsWith('Key') ? event.code.slice(3).toLowerCase() : event.key;
  const act = KEYS[event.key] ?? KEYS[letter];
  if (!act) return;
  event.preventDefault();
  act();
});
