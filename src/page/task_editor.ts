// The form in which a task is edited, in its own row. It holds what the person has typed, whatever comes in meanwhile.
import { html, nothing, type TemplateResult } from 'lit-html';
import type { App } from './app.ts';
import { describeEvent, whoOf } from './event_words.ts';
import { wordsFor } from './fault_words.ts';
import {
  PRIORITIES,
  type Priority,
  STATUSES,
  type Status,
  type Task,
  type TaskFields,
  type Told,
} from './rows.ts';
import type { Page } from './service.ts';

interface TaskEditor {
  readonly id: string | undefined;
  open(task: Task): void;
  /** What is edited is called otherwise from now on. */
  rename(from: string, to: string): void;
  close(): void;
  /** The form, beside the task as it is by now. */
  view(task: Task): TemplateResult;
}

interface Draft {
  first: Task;
  error: string | undefined;
  isBusy: boolean;
  history: readonly Told[] | undefined;
}

/** `closed` is told which task's row is to have the focus again. */
export function createTaskEditor(
  { speech, live, service, changes }: App,
  { changed, closed }: { changed(): void; closed(id: string): void },
): TaskEditor {
  const { words } = speech;
  let draft: Draft | undefined;

  const close = () => {
    if (!draft) return;
    const { id } = draft.first;
    draft = undefined;
    closed(id);
    changed();
  };

  async function save(form: HTMLFormElement, task: Task): Promise<void> {
    const mine = draft;
    if (!mine) return;
    const patch = differences(mine.first, readForm(form));
    if (Object.keys(patch).length === 0) return close();
    mine.isBusy = true;
    changed();
    // Where another one has changed it, the person was told before he pressed the button: it is his to decide.
    const sent = live.tasks.update(task.id, patch, task.version > 0 ? { version: task.version } : {});
    try {
      await sent;
      close();
    } catch (error) {
      mine.error = wordsFor(error, speech);
      mine.isBusy = false;
      changed();
    }
  }

  async function loadHistory(id: string): Promise<void> {
    const page = await service.get<Page<Told>>(`/tasks/${id}/history?limit=100`).catch(() => undefined);
    if (draft?.first.id !== id) return;
    draft.history = page?.data.reverse() ?? [];
    changed();
  }

  const option = (value: string, text: string, chosen: string) =>
    html`<option value=${value} ?selected=${value === chosen}>${text}</option>`;

  return {
    get id() {
      return draft?.first.id;
    },
    open(task) {
      draft = { first: task, error: undefined, isBusy: false, history: undefined };
      changed();
    },
    rename(from, to) {
      // The service has made what is known of it.
      if (draft?.first.id === from) draft.first = { ...draft.first, id: to, version: 1 };
    },
    close,
    view(task) {
      if (!draft) return html``;
      const { first, error, isBusy, history } = draft;
      const isStale = task.version > first.version;
      const change = changes.of(task.id);
      const onKey = (event: KeyboardEvent) => {
        if (event.key === 'Escape') close();
        else if (event.key === 'Enter' && (event.ctrlKey || event.metaKey))
          (event.currentTarget as HTMLFormElement).requestSubmit();
        else return;
        event.stopPropagation();
      };
      const onSubmit = (event: SubmitEvent) => {
        event.preventDefault();
        void save(event.target as HTMLFormElement, task);
      };
      return html`
        <form class="editor" @submit=${onSubmit} @keydown=${onKey} aria-label=${words.edit}>
          <label class="wide"><span>${words.title}</span>
            <input name="title" required maxlength="200" .defaultValue=${first.title} autocomplete="off"></label>
          <label><span>${words.status}</span>
            <select name="status">${STATUSES.map(each => option(each, words.statuses[each], first.status))}</select></label>
          <label><span>${words.priority}</span>
            <select name="priority">${PRIORITIES.map(each => option(each, words.priorities[each], first.priority))}</select></label>
          <label><span>${words.due}</span>
            <input name="due" type="datetime-local" .defaultValue=${toLocal(first.due_at)}></label>
          <label class="half"><span>${words.labels}</span>
            <input name="labels" placeholder=${words.labelsHint} .defaultValue=${first.labels.join(', ')} autocomplete="off"></label>
          <label class="wide"><span>${words.description}</span>
            <textarea name="description" rows="2" maxlength="10000" .defaultValue=${first.description ?? ''}></textarea></label>
          <p class="editor-note" role="alert">${
            error !== undefined
              ? error
              : isStale
                ? words.changedMeanwhile.replace('{who}', whoOf(change, speech))
                : nothing
          }</p>
          <div class="editor-buttons">
            <button class="main" ?disabled=${isBusy}>${isStale ? words.saveAnyway : words.save}</button>
            <button type="button" @click=${close}>${words.cancel}</button>
            <details @toggle=${(event: Event) => {
              if ((event.target as HTMLDetailsElement).open) void loadHistory(task.id);
            }}>
              <summary>${words.history}</summary>
              <ol class="history">${history?.map(
                event => html`<li><time>${speech.moment(event.time)}</time> <b>${whoOf({ ...event, actor: event.actor?.name }, speech)}</b>
                  ${describeEvent(event, speech)}</li>`,
              )}</ol>
            </details>
          </div>
        </form>`;
    },
  };
}

function readForm(form: HTMLFormElement): TaskFields {
  const data = new FormData(form);
  const text = (name: string) => String(data.get(name) ?? '').trim();
  const due = text('due');
  const labels = text('labels')
    .split(',')
    .map(each => each.trim());
  return {
    title: text('title'),
    description: text('description') || null,
    status: text('status') as Status,
    priority: text('priority') as Priority,
    due_at: due === '' ? null : new Date(due).toISOString(),
    labels: [...new Set(labels.filter(Boolean))],
  };
}

// What the person has changed: the rest is left to whoever else changes it.
function differences(first: Task, now: TaskFields): Partial<TaskFields> {
  const was: TaskFields = { ...first, due_at: first.due_at && fromLocal(toLocal(first.due_at)) };
  const names = ['title', 'description', 'status', 'priority', 'due_at', 'labels'] as const;
  const changed = names.filter(name => JSON.stringify(was[name]) !== JSON.stringify(now[name]));
  return Object.fromEntries(changed.map(name => [name, now[name]]));
}

// A field for local times has minutes and no zone.
function toLocal(time: string | null): string {
  if (time === null) return '';
  const date = new Date(time);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function fromLocal(text: string): string {
  return new Date(text).toISOString();
}
