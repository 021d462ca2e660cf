// How rows are spelled, which a parser does not show: without white space, and in the log of a version before with some.
import type pg from 'pg';

/** An event's row as the text that the log holds. */
export interface Told {
  position: string;
  type: string;
  data: string;
  previous: string | null;
}

/** Whether white space stands between the parts of a JSON text. What strings hold counts for nothing. */
export function hasSpaces(text: string): boolean {
  return /\s/.test(text.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""'));
}

/** The log as it is spelled, in its order. */
export async function readTexts(session: pg.Client): Promise<Told[]> {
  const { rows } = await session.query<Told>(
    'SELECT position, type, data::text, previous::text FROM feed.events ORDER BY feed.events.position',
  );
  return rows;
}

/** Makes a log of what a version before this one would have told: all that is in it so far. */
export async function tellAsBefore(session: pg.Client): Promise<void> {
  await session.query('ALTER TABLE feed.events DISABLE TRIGGER events_append_only');
  for (const { position, data, previous } of await readTexts(session))
    await session.query('UPDATE feed.events SET data = $2, previous = $3 WHERE position = $1', [
      position,
      spelledBefore(data),
      previous && spelledBefore(previous),
    ]);
  await session.query('ALTER TABLE feed.events ENABLE ALWAYS TRIGGER events_append_only');
}

// {"id" : 1, "labels" : ["a", "b"]}
function spelledBefore(text: string): string {
  return text.replaceAll(
    /("(?:[^"\\]|\\.)*")|([:,])/g,
    (_, string?: string, mark?: string) => string ?? (mark === ':' ? ' : ' : ', '),
  );
}
