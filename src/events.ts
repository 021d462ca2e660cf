// The vocabulary of events: the envelope and how a row of the log becomes one. Pure.
import { z } from 'zod';

/** A row of the log as the sequencer and the log's readers return it; `data` and `previous` are JSON texts. */
export const LogRow = z.strictObject({
  position: z.number(),
  topic: z.string(),
  type: z.string(),
  subject: z.string(),
  time: z.string(),
  origin: z.string(),
  transaction: z.string(),
  requestid: z.string().nullable(),
  data: z.string(),
  previous: z.string().nullable(),
});
export type LogRow = z.infer<typeof LogRow>;

/** An event, serialised once for whoever it goes to. */
export interface FeedEvent {
  readonly position: number;
  readonly topic: string;
  readonly type: string;
  readonly subject: string;
  /** When the change was made, as the envelope says it. */
  readonly time: string;
  /** The CloudEvents 1.0 JSON object, the same on every channel. */
  readonly json: string;
}

/** Makes the event of a row. `data` goes in as the database rendered it, unparsed. */
export function toEvent(row: LogRow): FeedEvent {
  return {
    position: row.position,
    topic: row.topic,
    type: row.type,
    subject: row.subject,
    time: row.time,
    json: envelope(row),
  };
}

function envelope(row: LogRow): string {
  const text = JSON.stringify;
  const previous = row.previous === null ? '' : `,"previous":${row.previous}`;
  return (
    `{"specversion":"1.0","id":"${row.position}","position":${row.position},"type":${text(row.type)}` +
    `,"source":${text(`/${row.topic}`)},"subject":${text(row.subject)},"time":"${row.time}"` +
    `,"datacontenttype":"application/json","origin":"${row.origin}","transaction":"${row.transaction}"` +
    `,"requestid":${text(row.requestid)},"data":{${text(entityOf(row.type))}:${row.data}${previous}}}`
  );
}

// task_created is about a task; an entity's own name may hold underscores, a type's last word never does.
function entityOf(type: string): string {
  return type.slice(0, type.lastIndexOf('_'));
}
