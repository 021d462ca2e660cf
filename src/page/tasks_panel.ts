// The tasks: added, edited in their rows, completed, deleted and brought back; searched, filtered, sorted; now or then.
import { html, nothing } from 'lit-html';
import { live as bound } from 'lit-html/directives/live.js';
import type { App } from './app.ts';
import { LIGHT } from './changes.ts';
import { whoOf } from './event_words.ts';
import { lacking, wordsFor } from './fault_words.ts';
import { DELETE, DOING, DONE, EDIT, SEARCH, TODO } from './icons.ts';
import { createLongList } from './long_list.ts';
import { painter } from './paint.ts';
import { panelHead } from './panel_head.ts';
import { createPastList } from './past_list.ts';
import { STATUSES, type Status, type Task } from './rows.ts';
import { createTaskEditor } from './task_editor.ts';
import { ORDERS, type Order, select, type TaskQuery } from './task_query.ts';

interface TasksPanel {
  focusNew(): void;
  focusSearch(): void;
  focusList(): void;
}

const SIGNS = { todo: TODO, in_progress: DOING, done: DONE } as const;

export function createTasksPanel(root: HTMLElement, app: App): TasksPanel {
  const { speech, live, moment, notices, changes, service, access } = app;
  const { words } = speech;
  const mayWrite = access.allows('tasks:write');
  let query: TaskQuery = { text: '', status: undefined, order: '-created_at' };
  let selected: { from: readonly Task[]; query: TaskQuery; rows: readonly Task[] } | undefined;
  const past = createPastList<Task>(service, '/tasks', () => paint());
  const find = <E extends HTMLElement>(selector: string) => root.querySelector<E>(selector);

  const list = createLongList<Task>(() => find('.scroller'), {
    label: words.tasks,
    rowView,
    rowClass: ({ id, status }) => `${status} ${isPast() ? '' : changes.light(id)}`,
    changed: () => paint(),
    key(event, task) {
      if (event.key === 'Enter' || event.key === 'e') edit(task);
      else if (event.key === ' ') complete(task);
      else if (event.key === 'Delete' || event.key === 'Backspace') remove(task);
      else return false;
      return true;
    },
  });
  const editor = createTaskEditor(app, { changed: () => paint(), closed: id => list.focus(id) });

  function isPast(): boolean {
    return moment.value !== undefined;
  }

  const isFixed = () => isPast() || !mayWrite;
  // Why nothing can be changed, where nothing can.
  const why = () => (isPast() ? words.readOnlyPast : mayWrite ? undefined : lacking('tasks:write', speech));

  // The rows that are shown: selected anew only where the tasks or what is asked for have changed.
  function rowsOf(tasks: readonly Task[]): readonly Task[] {
    if (selected?.from !== tasks || selected.query !== query)
      selected = { from: tasks, query, rows: select(tasks, query) };
    return selected.rows;
  }

  function ask(change: Partial<TaskQuery>): void {
    query = { ...query, ...change };
    paint();
  }

  const failed = (error: unknown) =>
    notices.say(words.failedWith.replace('{why}', wordsFor(error, speech)), { isFault: true });

  function add(form: HTMLFormElement): void {
    const input = form.elements.namedItem('title') as HTMLInputElement;
    const title = input.value.trim();
    if (title === '' || isFixed()) return;
    input.value = '';
    live.tasks.create({ title }).catch((error: unknown) => {
      if (input.value === '') input.value = title; // nothing that was typed is lost
      failed(error);
    });
  }

  function complete({ id, status }: Task): void {
    if (isFixed()) return;
    live.tasks.update(id, { status: status === 'done' ? 'todo' : 'done' }).catch(failed);
  }

  function remove({ id, title }: Task): void {
    if (isFixed()) return;
    const rows = rowsOf(live.tasks.items);
    const index = rows.findIndex(each => each.id === id);
    const hadFocus =
      root.contains(document.activeElement) && find(`[data-id="${id}"]`)?.contains(document.activeElement);
    const next = rows[index + 1] ?? rows[index - 1];
    if (editor.id === id) editor.close();
    live.tasks.delete(id).then(() => {
      notices.say(words.deleted.replace('{title}', title), {
        action: { name: words.undo, act: () => live.tasks.restore(id).catch(failed) },
      });
    }, failed);
    if (hadFocus && next) list.focus(next.id);
  }

  function edit(task: Task): void {
    if (isFixed()) return;
    editor.open(task);
    requestAnimationFrame(() => find<HTMLInputElement>('.editor input')?.focus());
  }

  function rowView(task: Task, isCurrent: boolean) {
    const { id, title, status, priority, due_at, labels } = task;
    const change = changes.of(id);
    const isThen = isPast();
    const fixed = isFixed();
    const tab = isCurrent ? 0 : -1;
    const isOpen = editor.id === id;
    const isLate = due_at !== null && status !== 'done' && Date.parse(due_at) < Date.now();
    return html`
      <div class="row-main" tabindex=${tab} role="group" aria-labelledby=${`t-${id}`}>
        <button class="sign check" tabindex=${tab} ?disabled=${fixed} @click=${() => complete(task)}
          aria-label=${status === 'done' ? words.reopen : words.complete} aria-describedby=${`t-${id}`}
          title=${words.statuses[status]}>${SIGNS[status]}</button>
        <span class="title" id=${`t-${id}`} title=${task.description ?? title} @dblclick=${() => edit(task)}>${title}</span>
        <span class="facts">
          ${live.tasks.isPending(id) ? html`<span class="pending">${words.waiting}</span>` : nothing}
          ${labels.length === 0 ? nothing : html`<span class="labels">${labels.map(label => html`<span class="label">${label}</span>`)}</span>`}
          ${
            due_at === null
              ? nothing
              : html`<time class="due ${isLate ? 'late' : ''}" title=${`${isLate ? words.overdue : words.due}: ${speech.exact(due_at)}`}>${speech.brief(due_at)}</time>`
          }
          ${priority === 'normal' ? nothing : html`<span class="priority ${priority}">${words.priorities[priority]}</span>`}
          <span class="who" title=${change ? words.changedBy.replace('{who}', `${whoOf(change, speech)}, ${speech.exact(change.time)}`) : speech.exact(task.updated_at)}>${
            change && !isThen
              ? html`<i class="origin ${change.origin}">${whoOf(change, speech)}</i>`
              : html`<time>${speech.brief(task.updated_at)}</time>`
          }</span>
        </span>
        <span class="acts">
          <button class="sign" tabindex=${tab} ?disabled=${fixed} aria-label=${words.edit} aria-describedby=${`t-${id}`}
            title=${why() ?? words.edit} aria-expanded=${isOpen} @click=${() => (isOpen ? editor.close() : edit(task))}>${EDIT}</button>
          <button class="sign" tabindex=${tab} ?disabled=${fixed} aria-label=${words.delete} aria-describedby=${`t-${id}`}
            title=${why() ?? words.delete} @click=${() => remove(task)}>${DELETE}</button>
        </span>
      </div>
      ${isOpen && !isThen ? editor.view(task) : nothing}`;
  }

  function emptyView(all: number) {
    if (live.tasks.refusal) return html`<p class="empty">${live.tasks.refusal}</p>`;
    if (!live.tasks.ready && !isPast()) return nothing;
    if (all === 0) return html`<p class="empty">${words.noTasks}</p>`;
    return html`<p class="empty">${words.noneFound}
      <button class="quiet" @click=${() => ask({ text: '', status: undefined })}>${words.showAll}</button></p>`;
  }

  function countView(shown: number, all: number) {
    if (!isPast() && !live.tasks.ready) return '';
    if (isPast() && !past.complete) return words.firstOf.replace('{n}', speech.number(all));
    if (shown === all) return speech.count(words.count, all);
    return words.countOf.replace('{n}', speech.number(shown)).replace('{all}', speech.number(all));
  }

  const orderView = () =>
    html`<select aria-label=${words.order} @change=${(event: Event) =>
      ask({ order: (event.target as HTMLSelectElement).value as Order })}>${ORDERS.map(
      order =>
        html`<option value=${order} ?selected=${order === query.order}>${words.orders[order]}</option>`,
    )}</select>`;

  const paint = painter(
    root,
    () => {
      const isThen = isPast();
      const all = isThen ? past.rows : live.tasks.items;
      const rows = rowsOf(all);
      const chip = (
        status: Status | undefined,
      ) => html`<button class="chip" aria-pressed=${query.status === status}
        @click=${() => ask({ status })}>${status === undefined ? words.anyStatus : words.statuses[status]}</button>`;
      return html`
        ${panelHead(app, { id: 'tasks', title: words.tasks, past, beside: countView(rows.length, all.length), aside: orderView() })}
        <form class="new" @submit=${(event: SubmitEvent) => {
          event.preventDefault();
          add(event.target as HTMLFormElement);
        }}>
          <input name="title" maxlength="200" autocomplete="off" enterkeyhint="done" ?disabled=${isFixed()}
            aria-label=${words.newTask} placeholder=${why() ?? words.newTaskHint}>
          <button class="main" ?disabled=${isFixed()}>${words.add}</button>
        </form>
        <div class="tools">
          <label class="search">${SEARCH}<input type="search" aria-label=${words.search} placeholder=${words.searchHint}
            .value=${bound(query.text)} @input=${(event: Event) => ask({ text: (event.target as HTMLInputElement).value })}></label>
          <div class="chips" role="group" aria-label=${words.status}>${chip(undefined)}${STATUSES.map(chip)}</div>
        </div>
        <div class="list">
          ${list.view(rows, isThen ? undefined : editor.id)}
          ${rows.length === 0 ? emptyView(all.length) : nothing}
        </div>`;
    },
    () => list.painted(),
  );

  live.tasks.renamed((from, to) => {
    list.rename(from, to);
    editor.rename(from, to);
  });
  live.tasks.watch(() => {
    paint();
    // Once more when the light has gone out.
    setTimeout(paint, LIGHT + 50);
  });
  changes.watch(() => paint());
  moment.watch(position => {
    past.show(position);
    paint();
  });

  return {
    focusNew: () => find('.new input')?.focus(),
    focusSearch: () => find('.search input')?.focus(),
    focusList: () => list.focus(),
  };
}
