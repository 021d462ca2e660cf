// An event as the bridge has published it. Its text goes on as it is; what the hub needs to know of it stands at its beginning,
// where toEvent() puts it, so that no megabytes are parsed for it.
import type { FeedEvent } from '../events.ts';

const STRING = '"(?:[^"\\\\]|\\\\.)*"';
const BEGINNING = new RegExp(
  `^\\{"specversion":"1\\.0","id":"([1-9]\\d{0,14})","position":\\1,"type":(${STRING}),"source":(${STRING}),"subject":(${STRING}),"time":"([^"\\\\]*)","datacontenttype":"application/json",`,
);
// An event that is larger than any reader could take. Told as such, it is looked up in the log.
const WITHHELD = /:null\}\}$/;

/** The event of a text; undefined if it is none that can be given on as it is, and is to be read from the log. */
export function parseEvent(json: string): FeedEvent | undefined {
  const [, position, type, source, subject, time = ''] = BEGINNING.exec(json) ?? [];
  if (position === undefined || !json.endsWith('}}') || WITHHELD.test(json.slice(-16))) return undefined;
  const read = (text = '""') => JSON.parse(text) as string;
  return {
    position: Number(position),
    topic: read(source).slice(1),
    type: read(type),
    subject: read(subject),
    time,
    json,
    isWithheld: false,
    frame: undefined,
  };
}
