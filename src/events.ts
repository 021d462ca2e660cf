// The vocabulary of events: the envelope and how a row of the log becomes one. Pure.
import { z } from 'zod';

/** Where a page of anything ends: with the row that makes it this large, in bytes, however many rows may stand on it. */
export const PAGE_BYTES = 1024 * 1024;

/** Whether these rows of a page are so large that it may have been ended there. */
export function fillPage(rows: Iterable<string | null>): boolean {
  let bytes = 0;
  for (const row of rows) bytes += row === null ? 0 : Buffer.byteLength(row);
  return bytes >= PAGE_BYTES;
}

/**
 * A row of the log as the sequencer and the log's readers return it; `data` and `previous` are JSON texts. Without data it
 * is one from before feed.most_bytes(), and larger than that.
 */
export const LogRow = z.strictObject({
  position: z.number(),
  topic: z.string(),
  type: z.string(),
  subject: z.string(),
  time: z.string(),
  origin: z.string(),
  /** JSON text: the id and name of the token it was made with. Files of the archive from before there were tokens have none. */
  actor: z.string().nullable().default(null),
  transaction: z.string(),
  requestid: z.string().nullable(),
  data: z.string().nullable(),
  previous: z.string().nullable(),
  /** What the row is called, where it is not the type without its last word: of a status such as in_progress. */
  entity: z.string().nullable(),
});
export type LogRow = z.infer<typeof LogRow>;

/** Newly numbered events, in order, after position `before`. `last` may lie beyond them: the rest is in the log. */
export interface Batch {
  rows: LogRow[];
  before: number;
  last: number;
}

/** An event, serialised once for all that it goes to. */
export interface FeedEvent {
  readonly position: number;
  readonly topic: string;
  readonly type: string;
  readonly subject: string;
  /** When the change was made, as the envelope says it. */
  readonly time: string;
  /** The CloudEvents 1.0 JSON object, the same on every channel. */
  readonly json: string;
  /** Whether it is told without its data, which are larger than any reader could take. */
  readonly isWithheld: boolean;
  /** Its WebSocket frame, once it was made: kept here, for a map beside it would cost more than the frame. */
  frame: Slice | undefined;
}

/** Some bytes of a buffer. */
export interface Slice {
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
}

/** Who may have made a change; psql is every writer that did not say. */
const ORIGINS = ['rest', 'generator', 'nats', 'psql'] as const;

/** Makes the event of a row. `data` goes in as the database rendered it, unparsed. */
export function toEvent(row: LogRow): FeedEvent {
  return {
    position: row.position,
    topic: row.topic,
    type: row.type,
    subject: row.subject,
    time: row.time,
    json: envelope(row),
    isWithheld: row.data === null,
    frame: undefined,
  };
}

function envelope(row: LogRow): string {
  const text = JSON.stringify;
  const previous = row.previous === null ? '' : `,"previous":${row.previous}`;
  return (
    `{"specversion":"1.0","id":"${row.position}","position":${row.position},"type":${text(row.type)}` +
    `,"source":${text(`/${row.topic}`)},"subject":${text(row.subject)},"time":"${row.time}"` +
    `,"datacontenttype":"application/json","origin":"${row.origin}","actor":${row.actor},"transaction":"${row.transaction}"` +
    `,"requestid":${text(row.requestid)},"data":{${text(entityOf(row))}:${row.data}${previous}}}`
  );
}

/** An event without its data, and what CloudEvents calls a dataref in their place: where they can be read. */
export function withoutData({ json }: FeedEvent, dataref: string): string {
  const { data, datacontenttype, ...rest } = JSON.parse(json);
  return JSON.stringify({ ...rest, dataref });
}

/** An event as envelope() writes it. */
export const EventEnvelope = z
  .object({
    specversion: z.literal('1.0'),
    id: z.string().meta({ description: 'The position, as a string.' }),
    position: z.int().meta({ description: 'The number of the change: 1, 2, 3, … without a gap.' }),
    type: z.string().meta({ description: 'What happened, such as task_updated.' }),
    source: z.string().meta({ description: 'The topic, such as /tasks.' }),
    subject: z.string().meta({ description: 'The id of what changed.' }),
    time: z.string().meta({ format: 'date-time', description: 'When the change was made.' }),
    datacontenttype: z.literal('application/json'),
    origin: z.enum(ORIGINS).meta({ description: 'Who made the change.' }),
    actor: z
      .object({ id: z.string(), name: z.string() })
      .nullable()
      .meta({ description: 'The token that a REST client made it with.' }),
    transaction: z.string().meta({ description: 'The same on all events of one transaction.' }),
    requestid: z.string().nullable().meta({ description: 'The X-Request-Id of the request that made it.' }),
    data: z.record(z.string(), z.unknown()).meta({
      description:
        'The row after the change, under the name of its entity; `previous` has what an update changed.',
    }),
  })
  .meta({
    id: 'Event',
    description: 'A committed change, as a CloudEvents 1.0 JSON object.',
    example: {
      specversion: '1.0',
      id: '1042',
      position: 1042,
      type: 'task_updated',
      source: '/tasks',
      subject: '0198c0de-5c1f-7a30-8f1e-3b5c6d7e8f90',
      time: '2026-11-23T05:38:12.345678Z',
      datacontenttype: 'application/json',
      origin: 'psql',
      actor: null,
      transaction: '7351',
      requestid: null,
      data: {
        task: { title: 'Water the plants', status: 'done', version: 4 },
        previous: { status: 'todo', version: 3 },
      },
    },
  });

/** A watched table, as subscribers name it: its topic, what a row of it is called, and whether only its status is told. */
export interface TopicInfo {
  topic: string;
  entity: string;
  by_status: boolean;
}

/** A topic as the database has it. */
export interface WatchedTopic extends TopicInfo {
  /** Whether its table still has the primary key that it is watched under: without one there is no snapshot of it. */
  has_key: boolean;
}

/** The words of a task, in their order. */
export const TASK_STATUSES = ['todo', 'in_progress', 'done'] as const;
export const TASK_PRIORITIES = ['low', 'normal', 'high', 'urgent'] as const;

/** What else than topic, type and subject a topic's events may be filtered by: a parameter, its column, its values. */
export const FILTERS: Readonly<Record<string, Readonly<Record<string, TopicFilter>>>> = {
  tasks: {
    status: { column: 'status', values: TASK_STATUSES },
    priority: { column: 'priority', values: TASK_PRIORITIES },
    label: { column: 'labels' },
    source: { column: 'source' },
  },
};

interface TopicFilter {
  column: string;
  /** All there are; left out where any text may be one. */
  values?: readonly string[];
}

const RUN_TYPES = ['run_queued', 'run_started', 'run_succeeded', 'run_failed'];

/** The types of events that can come from a topic; of one that tells its rows' status other than runs, they are not known. */
export function typesOf({ topic, entity, by_status }: TopicInfo): readonly string[] {
  if (topic === 'runs') return RUN_TYPES;
  return by_status ? [] : [`${entity}_created`, `${entity}_updated`, `${entity}_deleted`];
}

/** Whether events of this type can come from a topic. */
export function isTypeOf(type: string, info: TopicInfo): boolean {
  const isOpen = info.by_status && info.topic !== 'runs';
  return isOpen ? type.startsWith(`${info.entity}_`) : typesOf(info).includes(type);
}

/** An event of one type, as envelope() writes it of a row that looks like this. */
export function eventOf({ topic, entity }: TopicInfo, type: string, row: z.ZodType) {
  const previous = row instanceof z.ZodObject ? row.partial() : z.record(z.string(), z.unknown());
  return z.object({
    ...EventEnvelope.shape,
    type: z.literal(type),
    source: z.literal(`/${topic}`),
    data: z.object({ [entity]: row, previous: type.endsWith('_updated') ? previous : previous.optional() }),
  });
}

// task_created is about a task. Where the last word of a type has an underscore of its own, the log tells the entity.
function entityOf({ entity, type }: LogRow): string {
  return entity ?? type.slice(0, type.lastIndexOf('_'));
}
