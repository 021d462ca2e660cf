// Changes that were asked for and are not yet confirmed: they lie over what is synced, are sent in their order, and go
// when the event comes that their request caused. Each is sent under its own id, however often, and so happens once.
import { backOff, type Environment } from './environment.ts';
import type { Ask, Problem } from './rest.ts';
import type { AnyRow, Operation, OtherEvent, State, Task } from './types.ts';

const KEY = 'taskwire'; // of what is stored
const MOST_TOLD = 2; // control frames: the event of a change that was answered comes before them

/** One change of a row that is under way; `row` once it was answered. */
export type Step = (Operation | { op: 'restore'; id: string }) & {
  id: string;
  row?: AnyRow | null;
  isTold?: boolean;
};

/** A request that is under way. */
export interface Pending {
  /** Of the request, and so of its events. */
  readonly id: string;
  readonly steps: readonly Step[];
}

interface Request extends Pending {
  /** When it was asked for. */
  at: number;
  steps: Step[];
  isSent?: boolean;
  /** Whether it was sent before. */
  isTried?: boolean;
  isAnswered?: boolean;
  /** How many control frames came since. */
  told: number;
  /** Of one that the storage had nobody waits for. */
  resolve?(rows: (AnyRow | null)[]): void;
  reject?(error: Error): void;
}

/** The rows that collections have; so it is known whether a change has come. */
interface OutboxOptions {
  env: Environment;
  ask: Ask;
  /** Whether a task is synced in this version or a later one. */
  isSynced(id: string, version: number): boolean;
  /** Whether the events of the changes come. */
  isFollowed(): boolean;
  changed(): void;
}

/** The changes under way. */
interface Outbox {
  readonly pending: readonly Pending[];
  /** Those that may have happened, and nobody knows. */
  doubts(): readonly Pending[];
  /** The ids of the rows that changes are about. */
  ids(): Iterable<string>;
  /** A row as it will be. */
  over(id: string, row: AnyRow | undefined): AnyRow | undefined;
  push(steps: readonly (Operation | { op: 'restore'; id: string })[]): Promise<(AnyRow | null)[]>;
  event(event: OtherEvent): void;
  /** A control frame came. */
  told(): void;
  feedChanged(state: State): void;
  close(): void;
}

/** An outbox with what the storage still has. */
export function createOutbox(options: OutboxOptions): Outbox {
  const { env, ask } = options;
  const { storage } = env;
  const prefix = `${KEY} ${env.url} `;
  const names = new Map<string, string>(); // of created rows: what they are called since
  let requests: Request[] = [];
  let pending: readonly Pending[] = [];
  let failures = 0;
  let count = 0; // of those in the same millisecond, the order
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isClosed = false;

  function changed(): void {
    pending = [...requests];
    options.changed();
  }

  const save = (request: Request) => storage?.setItem(prefix + request.id, JSON.stringify(request));
  const isTold = (step: Step) => step.isTold;
  const idsOf = (request: Pending) => request.steps.map(step => step.id);

  function load(): void {
    for (let index = 0; storage && index < storage.length; index++) {
      const key = storage.key(index) as string;
      if (key.startsWith(prefix))
        requests.push({ ...JSON.parse(storage.getItem(key) as string), isSent: false });
    }
    requests.sort((one, other) => one.at - other.at);
    changed();
  }

  // What changes the same row waits for what was asked before.
  function pump(): void {
    if (timer !== undefined) return;
    const busy = new Set<string>();
    for (const request of requests) {
      const ids = idsOf(request);
      if (!request.isSent && !ids.some(id => busy.has(id))) void send(request);
      if (!request.isAnswered) for (const id of ids) busy.add(id);
    }
  }

  function retry(): void {
    clearTimeout(timer);
    timer = undefined;
    pump();
  }

  async function send(request: Request): Promise<void> {
    request.isSent = request.isTried = true;
    try {
      const { id, steps } = request;
      const [first] = steps;
      const answer =
        first?.op === 'restore'
          ? { data: [await ask<AnyRow>(`/tasks/${first.id}/restore`, id)] }
          : await ask<{ data: (AnyRow | null)[] }>('/tasks/batch', id, bodyOf(steps));
      failures = 0;
      answered(request, answer.data);
    } catch (error) {
      request.isSent = false;
      const { status, wait } = error as Problem;
      if (isClosed || status === 401) return; // kept, for when somebody signs in
      if (status && wait === undefined) return void end(request, error as Problem);
      // Another one may have been sent meanwhile and wait already.
      timer ??= setTimeout(retry, Math.max(wait ?? 0, backOff(failures++)));
    }
  }

  function answered(request: Request, rows: (AnyRow | null)[]): void {
    storage?.removeItem(prefix + request.id);
    request.isAnswered = true;
    request.steps.forEach((step, index) => {
      const row = rows[index];
      step.row = row ?? null;
      if (!row) return;
      rename(step.id, row.id);
      rebase(row);
    });
    changed();
    finish(request);
    pump();
  }

  // A row that was created here is called otherwise from now on, in what waits for it, too.
  function rename(from: string, to: string): void {
    if (from === to) return;
    names.set(from, to);
    for (const request of requests)
      for (const step of request.steps)
        if (step.id === from) {
          step.id = to;
          if (!request.isAnswered) save(request);
        }
  }

  // Who has changed what he saw change here means the version that has come of it.
  function rebase({ id, version = 0 }: AnyRow): void {
    for (const request of requests)
      for (const step of request.steps)
        if (!request.isSent && step.id === id && 'version' in step && step.version === version - 1) {
          step.version = version;
          save(request);
        }
  }

  function end(request: Request, error?: Error): void {
    storage?.removeItem(prefix + request.id);
    requests = requests.filter(each => each !== request);
    // What was told of has happened: what was refused is asking again.
    if (!error || request.steps.some(isTold)) request.resolve?.(request.steps.map(step => step.row ?? null));
    else (request.reject ?? env.report)(error);
    changed();
    pump(); // what waited for one that was never created is refused in its turn
  }

  // A step is over when its event has come, or a row that is as new; what changes nothing has no event.
  function finish(request: Request): void {
    const isOver = (step: Step) => isTold(step) || options.isSynced(step.id, step.row?.version ?? Infinity);
    if (
      request.isAnswered &&
      (request.told >= MOST_TOLD || !options.isFollowed() || request.steps.every(isOver))
    )
      end(request);
  }

  function finishAll(): void {
    for (const each of [...requests]) finish(each);
  }

  env.onWake(retry);
  load();
  queueMicrotask(pump);

  return {
    get pending() {
      return pending;
    },
    doubts: () => requests.filter(each => each.isTried && !each.isAnswered && !each.steps.some(isTold)),
    ids: () => new Set(requests.flatMap(idsOf)),
    over(id, row) {
      let result = row;
      for (const { steps, at } of requests)
        for (const step of steps) if (step.id === id && !isTold(step)) result = applied(step, result, at);
      return result;
    },
    push(wanted) {
      return new Promise((resolve, reject) => {
        const id = crypto.getRandomValues(new BigUint64Array(2)).join('-');
        // As JSON has them: what is undefined is left out, and what its owner changes later stays his.
        const steps = (JSON.parse(JSON.stringify(wanted)) as Step[]).map((step, index) => ({
          ...step,
          id: step.id ? (names.get(step.id) ?? step.id) : index ? `${id}.${index}` : id,
        }));
        const at = Date.now() + count++ / 1000;
        const request: Request = { id, at, steps, told: 0, resolve, reject };
        requests.push(request);
        save(request);
        changed();
        pump();
      });
    },
    event({ requestid, subject, type, data }) {
      const request = requests.find(each => each.id === requestid);
      const isCreation = type.endsWith('_created');
      const step = request?.steps.find(
        each => !isTold(each) && (each.id === subject || (each.op === 'create' && isCreation)),
      );
      if (!request || !step) return void finishAll();
      step.isTold = true;
      step.row ??= type.endsWith('_deleted') ? null : (Object.values(data)[0] as AnyRow);
      rename(step.id, subject);
      changed();
      finish(request);
    },
    told() {
      for (const each of requests) if (each.isAnswered) each.told++;
      finishAll();
    },
    feedChanged(state) {
      if (state === 'live') retry();
      finishAll();
    },
    close() {
      isClosed = true;
      clearTimeout(timer);
    },
  };
}

// A batch even of one: it alone has a key for changes and deletions, too.
function bodyOf(steps: readonly Step[]): string {
  const operations = steps.map(({ row, isTold, id, ...step }) =>
    step.op === 'create' ? step : { ...step, id },
  );
  return JSON.stringify({ operations });
}

function applied(step: Step, row: AnyRow | undefined, at: number): AnyRow | undefined {
  if (step.op === 'delete') return undefined;
  // Answered: it is known what it will be, unless it is more by now.
  if (step.row) return (row?.version ?? 0) >= (step.row.version ?? 0) ? row : step.row;
  if (step.op === 'update') return row && { ...row, ...(step.task as object) };
  return step.op === 'create' ? createdOf(step.id, step.task, at) : row;
}

// Its version says that it is not one of the service's yet.
function createdOf(id: string, task: object, at: number): AnyRow {
  const now = new Date(at).toISOString().replace('Z', '000Z');
  const made: Omit<Task, 'title'> = {
    id,
    description: null,
    status: 'todo',
    priority: 'normal',
    due_at: null,
    labels: [],
    source: null,
    external_id: null,
    created_at: now,
    updated_at: now,
    completed_at: null,
    version: 0,
  };
  return { ...made, ...task };
}
