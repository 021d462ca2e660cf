// A list as it was: its first page at once, so that a slider can be followed, and the rest when the slider rests.
import { latest } from './paint.ts';
import type { Page, Service } from './service.ts';

interface PastList<Row> {
  readonly rows: readonly Row[];
  /** The position that the rows are of; undefined while there are none. */
  readonly position: number | undefined;
  /** Whether they are all. */
  readonly complete: boolean;
  readonly error: unknown;
  show(position: number | undefined): void;
}

const PAGE = 200;
const FIRST = 60;
const MOST = 10_000;
const RESTS = 200; // ms

export function createPastList<Row>(service: Service, path: string, changed: () => void): PastList<Row> {
  let state: { rows: Row[]; position: number | undefined; complete: boolean; error: unknown } = {
    rows: [],
    position: undefined,
    complete: false,
    error: undefined,
  };
  let wanted: number | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const read = (position: number, cursor: string | null, limit: number) =>
    service.get<Page<Row>>(
      `${path}?as_of=${position}&limit=${limit}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`,
    );

  const load = latest<number>(async position => {
    try {
      const page = await read(position, null, FIRST);
      if (wanted === undefined) return;
      state = { rows: page.data, position, complete: page.next_cursor === null, error: undefined };
      if (!state.complete) timer = setTimeout(() => void loadRest(position, page.next_cursor), RESTS);
    } catch (error) {
      state = { ...state, rows: [], position, complete: true, error };
    }
    changed();
  });

  async function loadRest(position: number, first: string | null): Promise<void> {
    let rows = state.rows;
    let cursor = first;
    try {
      while (cursor !== null && rows.length < MOST) {
        const page: Page<Row> = await read(position, cursor, PAGE);
        if (wanted !== position) return;
        rows = [...rows, ...page.data];
        cursor = page.next_cursor;
        state = { ...state, rows, complete: cursor === null };
        changed();
      }
    } catch (error) {
      state = { ...state, error };
      changed();
    }
  }

  return {
    get rows() {
      return state.rows;
    },
    get position() {
      return state.position;
    },
    get complete() {
      return state.complete;
    },
    get error() {
      return state.error;
    },
    show(position) {
      wanted = position;
      clearTimeout(timer);
      if (position === undefined)
        state = { rows: [], position: undefined, complete: false, error: undefined };
      else load(position);
    },
  };
}
