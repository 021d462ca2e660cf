// A snapshot page by page, over a state that a test makes up.
import test from 'ava';
import { pino } from 'pino';
import { EVERYTHING } from '../../src/feed/filter.ts';
import { createLogReader, type Log, type SnapshotRow } from '../../src/feed/log_reader.ts';
import { sendSnapshot } from '../../src/feed/snapshot.ts';
import { LOG_ID } from '../helpers/rows.ts';

type Request = Parameters<Log['snapshot']>[0];

const ROWS = Array.from({ length: 1_000 }, (_, n): SnapshotRow => {
  const subject = String(n).padStart(4, '0');
  return { subject, document: JSON.stringify({ subject, text: 'x'.repeat(2_000) }) };
});

function logOf(answer: (request: Request) => readonly SnapshotRow[]) {
  const asked: string[] = [];
  const log = createLogReader(
    {
      head: async () => ({ log: LOG_ID, head: 7, first: 1 }),
      range: async () => [],
      ofSubjects: async () => [],
      ofTypes: async () => [],
      compacted: async () => ({ rows: [], through: 0 }),
      topics: async () => [],
      snapshot: async request => {
        asked.push(JSON.stringify(request));
        return answer(request);
      },
    },
    pino({ level: 'silent' }),
  );
  return { log, asked };
}

const pageAfter = ({ after = '', limit }: Request, most = limit) =>
  ROWS.filter(({ subject }) => subject > after).slice(0, Math.min(most, limit));

// Takes it all; a client that is `slow` is full after each frame.
async function take(log: Log, slow: boolean): Promise<{ subjects: string[]; lasts: number }> {
  const subjects: string[] = [];
  let lasts = 0;
  await sendSnapshot({
    ...{ log, topics: ['tasks'], position: 7, filter: EVERYTHING },
    signal: new AbortController().signal,
    outlet: {
      write({ rows, last }) {
        subjects.push(...rows.map(row => JSON.parse(row).subject));
        if (last) lasts++;
        return !slow;
      },
      drained: async () => {},
    },
  });
  return { subjects, lasts };
}

const all = ROWS.map(({ subject }) => subject);

test('clients that read fast and slowly take the same snapshot by the same pages, each read once', async t => {
  const { log, asked } = logOf(request => pageAfter(request));
  for (const slow of [true, false, true]) t.deepEqual(await take(log, slow), { subjects: all, lasts: 1 });
  t.is(asked.length, new Set(asked).size);
});

test('a page that ends elsewhere when it is read again leaves out no row and tells none twice', async t => {
  let turn = 0;
  const { log } = logOf(request => {
    log.forget(); // nothing is kept: each page is read again for each frame
    const rows = pageAfter(request, turn++ % 3 === 0 ? 30 : 7);
    const isLast = rows.at(-1)?.subject === all.at(-1) && rows.length < request.limit;
    const last = rows.at(-1);
    return isLast || !last || rows.length === request.limit ? rows : [...rows, { ...last, document: null }];
  });
  t.deepEqual(await take(log, true), { subjects: all, lasts: 1 });
});
