// What the client's users see of rows and events: the types of the very schemas that the service answers by.
import type { z } from 'zod';
import type { EventEnvelope } from '../events.ts';
import type { Currency as CurrencySchema } from '../http/currencies/currency_fields.ts';
import type { Run as RunSchema } from '../http/runs/run_fields.ts';
import type {
  NewTask as NewTaskSchema,
  TaskPatch as TaskPatchSchema,
  Task as TaskSchema,
} from '../http/tasks/task_fields.ts';

/** A task as the service tells of it. */
export type Task = z.output<typeof TaskSchema>;
/** What a task is made of; only `title` is required. */
export type NewTask = z.input<typeof NewTaskSchema>;
/** What is to change of a task; what is missing stays. */
export type TaskPatch = z.input<typeof TaskPatchSchema>;
/** A currency and what it is worth. */
export type Currency = z.output<typeof CurrencySchema>;
/** A run of a background job. */
export type Run = z.output<typeof RunSchema>;

/** A row of any table. */
export interface AnyRow {
  id: string;
  version?: number;
  [column: string]: unknown;
}

type Envelope = Omit<z.output<typeof EventEnvelope>, 'type' | 'source' | 'data'>;

/** An event of one type, about a row under its entity's name. */
interface EventOf<Type extends string, Topic extends string, Data> extends Envelope {
  type: Type;
  source: `/${Topic}`;
  data: Data;
}

type ChangeOf<Topic extends string, Entity extends string, Row> =
  | EventOf<`${Entity}_created` | `${Entity}_deleted`, Topic, { [Name in Entity]: Row }>
  | EventOf<`${Entity}_updated`, Topic, { [Name in Entity]: Row } & { previous: Partial<Row> }>;

/** What is told of tasks. */
export type TaskEvent = ChangeOf<'tasks', 'task', Task>;
/** What is told of currencies. */
export type CurrencyEvent = ChangeOf<'currencies', 'currency', Currency>;
/** What is told of runs. */
export type RunEvent = EventOf<
  'run_queued' | 'run_started' | 'run_succeeded' | 'run_failed',
  'runs',
  { run: Run; previous?: Partial<Run> }
>;
/** What is told of the topics that every service has; its `type` says which of them it is. */
export type TaskwireEvent = TaskEvent | CurrencyEvent | RunEvent;
/** What is told of a table of the operator's own. */
export type OtherEvent = EventOf<string, string, Record<string, unknown>>;

/** The rows of the topics that every service has. */
export interface Rows {
  tasks: Task;
  currencies: Currency;
  runs: Run;
}

/** The events of the topics that every service has. */
export interface Events {
  tasks: TaskEvent;
  currencies: CurrencyEvent;
  runs: RunEvent;
}

/** The rows of a topic; of a table that only the operator knows, any. */
export type RowOf<Topic extends string> = Topic extends keyof Rows ? Rows[Topic] : AnyRow;

/** The events of a topic. */
export type EventsOf<Topic extends string> = Topic extends keyof Events ? Events[Topic] : OtherEvent;

/** Which rows of a topic, and in which order. */
export interface Query {
  /** Columns, each with the values of which it must have one; `label` means one of a task's labels. */
  where?: Readonly<Record<string, string | readonly string[]>>;
  /** A column, with - for descending; what is null stands last, equals by their id. */
  sort?: string;
}

/** One change of a batch. */
export type Operation =
  | { op: 'create'; task: NewTask }
  | { op: 'update'; id: string; task: TaskPatch; version?: number | undefined }
  | { op: 'delete'; id: string; version?: number | undefined };

/** How the client stands with the service. */
export type State = 'idle' | 'connecting' | 'live' | 'waiting' | 'denied';

/** An event or a control frame, as it comes. */
export interface Frame extends Partial<Omit<OtherEvent, 'position'>> {
  type: string;
  position?: number;
  log?: string;
  head?: number;
  reason?: string;
  topics?: unknown;
  last?: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: a row, by the entity's name, or rows: the service made it
  data?: any;
}
