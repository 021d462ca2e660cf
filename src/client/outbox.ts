// Changes that were asked for and are not yet confirmed: they lie over what is synced, are sent in their order, and go
// when the event comes that their request caused. Each is sent under its own id, however often, and so happens once.
import { backOff, type Environment } from './environment.ts';
import { type Ask, NotNow, Problem } from './rest.ts';
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
  isAnswered?: boolean;
  /** How many control frames came since. */
  told: number;
  resolve(rows: (AnyRow | null)[]): void;
  reject(error: Error): void;
}

/** The rows that collections have; so it is known whether a change has come. */
interface OutboxOptions {
  env: Environment;
  ask: Ask;
  /** The version of a task that is synced. */
  versionOf(id: string): number | undefined;
  /** Whether the events of the changes come. */
  isFollowed(): boolean;
  /** Rows that now look different. */
  touched(ids: readonly string[]): void;
  changed(): void;
}

/** The changes under way. */
interface Outbox {
  readonly pending: readonly Pending[];
  /** Whether one was sent of which the event has not come. */
  readonly isWaiting: boolean;
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
  const { clock, storage } = env;
  const prefix = `${KEY} ${env.url} `;
  const names = new Map<string, string>(); // of created rows: what they are called since
  let requests: Request[] = [];
  let pending: readonly Pending[] = [];
  let failures = 0;
  let timer: unknown;
  let isClosed = false;

  function changed(touched: readonly string[]): void {
    pending = requests.map(({ id, steps }) => ({ id, steps: [...steps] }));
    options.touched(touched);
    options.changed();
  }

  const save = ({ id, at, steps }: Request) =>
    storage?.setItem(prefix + id, JSON.stringify({ id, at, steps }));
  const idsOf = ({ steps }: Pending) => steps.map(({ id }) => id);

  function load(): void {
    const keys = Array.from({ length: storage?.length ?? 0 }, (_, index) => storage?.key(index) ?? '');
    for (const key of keys.filter(key => key.startsWith(prefix))) {
      const { id, at, steps } = JSON.parse(storage?.getItem(key) ?? '{}');
      requests.push({ id, at, steps, told: 0, resolve() {}, reject: env.report });
    }
    requests.sort((one, other) => one.at - other.at);
    if (requests.length > 0) changed(requests.flatMap(idsOf));
  }

  // What changes the same row waits for what was asked before.
  function pump(): void {
    clock.clearTimeout(timer);
    timer = undefined;
    const busy = new Set<string>();
    for (const request of requests) {
      const ids = idsOf(request);
      if (!request.isSent && !request.isAnswered && !ids.some(id => busy.has(id))) void send(request);
      if (!request.isAnswered) for (const id of ids) busy.add(id);
    }
  }

  async function send(request: Request): Promise<void> {
    request.isSent = true;
    try {
      const answer = await ask<{ data: (AnyRow | null)[] } | AnyRow>(pathOf(request), {
        method: 'POST',
        body: bodyOf(request),
        headers: { 'X-Request-Id': request.id, 'Idempotency-Key': request.id },
      });
      failures = 0;
      answered(request, (Array.isArray(answer.data) ? answer.data : [answer]) as (AnyRow | null)[]);
    } catch (error) {
      request.isSent = false;
      if (isClosed) return;
      if (error instanceof Problem && error.status === 401) return; // kept, for when somebody signs in
      if (error instanceof Problem) return refused(request, error);
      // Another one may have been sent meanwhile and wait already.
      const wait = error instanceof NotNow ? error.wait : 0;
      timer ??= clock.setTimeout(pump, Math.max(wait, backOff(clock, failures++)));
    }
  }

  function answered(request: Request, rows: (AnyRow | null)[]): void {
    storage?.removeItem(prefix + request.id);
    request.isAnswered = true;
    const before = idsOf(request);
    request.steps.forEach((step, index) => {
      step.row = rows[index] ?? null;
      if (step.row) rename(step.id, step.row.id);
      if (step.row?.version !== undefined) rebase(request, step.row as AnyRow & { version: number });
    });
    changed([...before, ...idsOf(request)]);
    finish(request);
    if (timer === undefined) pump();
  }

  // A row that was created here is called otherwise from now on, in what waits for it, too.
  function rename(from: string, to: string): void {
    if (from === to) return;
    names.set(from, to);
    for (const request of requests) {
      const meant = request.steps.filter(({ id }) => id === from);
      for (const step of meant) step.id = to;
      if (meant.length > 0 && !request.isAnswered) save(request);
    }
  }

  // Who has changed what he saw change here means the version that has come of it.
  function rebase(by: Request, { id, version }: AnyRow & { version: number }): void {
    for (const request of requests.slice(requests.indexOf(by) + 1)) {
      const meant = request.steps.filter(
        step => step.id === id && 'version' in step && step.version === version - 1,
      );
      for (const step of meant) Object.assign(step, { version });
      if (meant.length > 0) save(request);
    }
  }

  function refused(request: Request, error: Error): void {
    storage?.removeItem(prefix + request.id);
    requests = requests.filter(each => each !== request);
    // It happened: what was refused is asking again.
    if (request.steps.some(({ isTold }) => isTold))
      request.resolve(request.steps.map(({ row }) => row ?? null));
    else request.reject(error);
    changed(idsOf(request));
    const created = request.steps.flatMap(({ op, id }) => (op === 'create' ? [id] : []));
    for (const each of requests) if (idsOf(each).some(id => created.includes(id))) refused(each, error);
    if (timer === undefined) pump();
  }

  // A step is over when its event has come, or a row that is as new; what changes nothing has no event.
  function finish(request: Request): void {
    if (!request.isAnswered) return;
    const isOver = ({ isTold, row, id }: Step) =>
      isTold || (row?.version !== undefined && (options.versionOf(id) ?? 0) >= row.version);
    if (request.told < MOST_TOLD && options.isFollowed() && !request.steps.every(isOver)) return;
    requests = requests.filter(each => each !== request);
    request.resolve(request.steps.map(({ row }) => row ?? null));
    changed(idsOf(request));
  }

  function finishAll(): void {
    for (const each of [...requests]) finish(each);
  }

  env.onWake(pump);
  load();
  queueMicrotask(pump);

  return {
    get pending() {
      return pending;
    },
    get isWaiting() {
      return requests.some(({ isSent }) => isSent);
    },
    ids: () => new Set(requests.flatMap(idsOf)),
    over(id, row) {
      let result = row;
      for (const { steps, at } of requests)
        for (const step of steps) if (step.id === id && !step.isTold) result = applied(step, result, at);
      return result;
    },
    push(wanted) {
      return new Promise((resolve, reject) => {
        const id = crypto.randomUUID();
        const steps = wanted.map((step, index) => {
          const of = 'id' in step ? (names.get(step.id) ?? step.id) : index ? `${id}.${index}` : id;
          return { ...step, id: of };
        });
        const at = Math.max(clock.now(), (requests.at(-1)?.at ?? 0) + 1);
        const request = { id, at, steps, told: 0, resolve, reject };
        requests.push(request);
        save(request);
        changed(idsOf(request));
        if (timer === undefined) pump();
      });
    },
    event({ requestid, subject, type, data }) {
      const request = requests.find(({ id }) => id === requestid);
      const step = request?.steps.find(
        ({ id, op, isTold, row }) =>
          !isTold && (id === subject || (op === 'create' && !row && type.endsWith('_created'))),
      );
      if (!request || !step) return finishAll();
      const before = step.id;
      step.isTold = true;
      step.row ??= type.endsWith('_deleted') ? null : (Object.values(data)[0] as AnyRow);
      rename(before, subject);
      changed([before, subject]);
      finish(request);
    },
    told() {
      for (const each of requests) if (each.isAnswered) each.told++;
      finishAll();
    },
    feedChanged(state) {
      if (state === 'live' && timer !== undefined) pump();
      if (state === 'idle') finishAll();
    },
    close() {
      isClosed = true;
      clock.clearTimeout(timer);
    },
  };
}

function pathOf({ steps: [first] }: Pending): string {
  return first?.op === 'restore' ? `/tasks/${first.id}/restore` : '/tasks/batch';
}

// A batch even of one: it alone has a key for changes and deletions, too.
function bodyOf({ steps }: Pending): unknown {
  if (steps[0]?.op === 'restore') return undefined;
  return {
    operations: steps.map(({ op, id, ...rest }) => {
      const { row, isTold, ...step } = rest;
      return op === 'create' ? { op, ...step } : { op, id, ...step };
    }),
  };
}

function applied(step: Step, row: AnyRow | undefined, at: number): AnyRow | undefined {
  if (step.op === 'delete') return undefined;
  // Answered: it is known what it will be, unless it is more by now.
  if (step.row) return (row?.version ?? 0) >= (step.row.version ?? 0) ? row : step.row;
  if (step.op === 'update') return row && { ...row, ...defined(step.task) };
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
  return { ...made, ...defined(task) };
}

const defined = (fields: object) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
