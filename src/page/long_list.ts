// A list of which only what is in sight is in the document: 5,000 rows cost what thirty do. Rows have one height; one of
// them may be open and taller. Rows stand by transform, so that those that others push down do not shift the layout.
import { html, type TemplateResult } from 'lit-html';
import { repeat } from 'lit-html/directives/repeat.js';

interface Row {
  id: string;
}

interface LongListOptions<R extends Row> {
  label: string;
  rowView(row: R, isCurrent: boolean): TemplateResult;
  rowClass(row: R): string;
  /** Told that another part is in sight, or another row is the current one. */
  changed(): void;
  /** A key on the current row; whether it was for it. */
  key(event: KeyboardEvent, row: R): boolean;
}

interface LongList<R extends Row> {
  view(rows: readonly R[], open: string | undefined): TemplateResult;
  /** To be called once the view is painted. */
  painted(): void;
  focus(id?: string): void;
  /** The row of this id goes on as that of another one: what stands in it, and the focus, stay. */
  rename(from: string, to: string): void;
}

const OVERSCAN = 6;

/** A list in this scroller. */
export function createLongList<R extends Row>(
  scroller: () => HTMLElement | null,
  { label, rowView, rowClass, changed, key }: LongListOptions<R>,
): LongList<R> {
  let rows: readonly R[] = [];
  let indexes = new Map<string, number>();
  let open: string | undefined;
  let current: string | undefined;
  let anchor: { id: string; offset: number } | undefined;
  let wanted: string | undefined; // to be focused when it is painted
  const firstIds = new Map<string, string>(); // of rows that were renamed: what they are known by in the document

  const heights = () => {
    const style = getComputedStyle(document.documentElement);
    const px = (name: string) => Number.parseFloat(style.getPropertyValue(name)) || 0;
    return { row: px('--row'), open: px('--row-open') };
  };
  let { row: height, open: tall } = heights();
  // Remembered: to ask the document while it is being painted makes it lay everything out, each time.
  let top = 0;
  let seen = innerHeight;
  const measure = () => {
    ({ row: height, open: tall } = heights());
    seen = scroller()?.clientHeight || innerHeight;
    top = scroller()?.scrollTop ?? 0;
    changed();
  };
  addEventListener('resize', measure);

  const openIndex = () => (open === undefined ? -1 : (indexes.get(open) ?? -1));
  const topOf = (index: number) => index * height + (openIndex() >= 0 && index > openIndex() ? tall : 0);

  function inSight(): [number, number] {
    const extra = openIndex() >= 0 && topOf(openIndex()) < top ? tall : 0;
    const first = Math.max(0, Math.floor((top - extra) / height) - OVERSCAN);
    return [first, Math.min(rows.length, Math.ceil((top + seen) / height) + OVERSCAN)];
  }

  // Who reads further down the list keeps his place, however much is put in above.
  function keepPlace(): void {
    if (!anchor || top < height / 2) return;
    const index = indexes.get(anchor.id);
    if (index === undefined) return;
    const wanted = topOf(index) - anchor.offset;
    if (Math.abs(wanted - top) <= 1) return;
    const root = scroller();
    if (root) root.scrollTop = wanted;
  }

  function rememberPlace(): void {
    const index = Math.min(rows.length - 1, Math.max(0, Math.floor(top / height)));
    const row = rows[index];
    anchor = row && { id: row.id, offset: topOf(index) - top };
  }

  function shown(): R[] {
    const [first, last] = inSight();
    const found = rows.slice(first, last);
    // What has the focus stays in the document wherever it is.
    for (const id of new Set([current, open])) {
      const index = id === undefined ? -1 : (indexes.get(id) ?? -1);
      const row = rows[index];
      if (row && (index < first || index >= last)) found.push(row);
    }
    return found;
  }

  function move(by: number, from: number): void {
    const row = rows[Math.max(0, Math.min(rows.length - 1, from + by))];
    if (row) list.focus(row.id);
  }

  const onKey = (event: KeyboardEvent) => {
    const target = event.target as HTMLElement;
    const element = target.closest<HTMLElement>('[data-id]');
    const index = indexes.get(element?.dataset.id ?? '') ?? -1;
    const row = rows[index];
    if (!row || target !== element?.querySelector('.row-main')) return;
    const by: Partial<Record<string, number>> = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 };
    const step = by[event.key];
    if (step !== undefined) move(step, index);
    else if (event.key === 'Home') move(-rows.length, index);
    else if (event.key === 'End') move(rows.length, index);
    else if (!key(event, row)) return;
    event.preventDefault();
  };

  const onFocus = (event: FocusEvent) => {
    const id = (event.target as HTMLElement).closest<HTMLElement>('[data-id]')?.dataset.id;
    if (id === undefined || id === current) return;
    current = id;
    changed();
  };

  const onScroll = () => {
    top = scroller()?.scrollTop ?? 0;
    rememberPlace();
    changed();
  };

  const list: LongList<R> = {
    view(next, opened) {
      if (next !== rows) {
        rows = next;
        indexes = new Map(next.map(({ id }, index) => [id, index]));
      }
      open = opened;
      if (current === undefined || !indexes.has(current)) current = rows[0]?.id;
      const whole = rows.length * height + (openIndex() >= 0 ? tall : 0);
      return html`
        <div class="scroller" @scroll=${onScroll} @keydown=${onKey} @focusin=${onFocus}>
          <div class="rows" role="list" aria-label=${label} .style=${`height:${whole}px`}>
            ${repeat(
              shown(),
              ({ id }) => firstIds.get(id) ?? id,
              row => {
                const index = indexes.get(row.id) ?? 0;
                return html`<div role="listitem" data-id=${row.id} aria-setsize=${rows.length}
                  aria-posinset=${index + 1}
                  class="row ${row.id === open ? 'open' : ''} ${rowClass(row)}"
                  .style=${`transform:translateY(${topOf(index)}px)`}>${rowView(row, row.id === current)}</div>`;
              },
            )}
          </div>
        </div>`;
    },
    painted() {
      keepPlace();
      if (wanted === undefined) return;
      const element = scroller()?.querySelector<HTMLElement>(`[data-id="${wanted}"] .row-main`);
      if (!element) return;
      wanted = undefined;
      element.focus({ preventScroll: true });
      element.scrollIntoView({ block: 'nearest' });
    },
    rename(from, to) {
      firstIds.set(to, firstIds.get(from) ?? from);
      if (current === from) current = to;
      if (wanted === from) wanted = to;
      if (anchor?.id === from) anchor = { ...anchor, id: to };
    },
    focus(id = current) {
      if (id === undefined) return;
      current = id;
      wanted = id;
      changed();
    },
  };
  return list;
}
