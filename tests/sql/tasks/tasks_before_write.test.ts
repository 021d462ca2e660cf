// What the database alone makes of a task: trimmed title, id, times and version.
import test from 'ava';
import { readValue, sequence, withDatabase } from '../../helpers/sql.ts';

const WHITE_SPACE = codePoints().filter(character => /[\p{White_Space}\uFEFF]/u.test(character));

function codePoints(): string[] {
  const all = Array.from({ length: 0x10ffff }, (_, n) => n + 1);
  return all.filter(n => n < 0xd800 || n > 0xdfff).map(n => String.fromCodePoint(n));
}

test(
  'every white space that Unicode knows, and U+FEFF, is trimmed off a title, and none inside it',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    const around = await session.query(
      `INSERT INTO tasks (title) SELECT space || 'x' || space FROM unnest($1::text[]) AS space RETURNING title`,
      [WHITE_SPACE],
    );
    t.is(around.rows.length, 26);
    t.true(around.rows.every(row => row.title === 'x'));
    const all = WHITE_SPACE.join('');
    t.is(
      await readValue(session, 'INSERT INTO tasks (title) VALUES ($1) RETURNING title', [
        `${all}a${all}b${all}`,
      ]),
      `a${all}b`,
    );
  }),
);

test(
  'what only looks like white space stays',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    for (const character of ['\u200B', '\u180E', '\u2060', '\u00AD', '\u2800']) {
      const title = `${character}x${character}`;
      t.is(await readValue(session, 'INSERT INTO tasks (title) VALUES ($1) RETURNING title', [title]), title);
    }
  }),
);

test(
  'a title is trimmed before it is counted, on update too',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    const title = `  ${'x'.repeat(200)}\u3000`;
    await session.query('INSERT INTO tasks (title) VALUES ($1)', [title]);
    const { rows } = await session.query('UPDATE tasks SET title = $1 RETURNING title, version', [
      ` ${title} `,
    ]);
    t.deepEqual(rows, [{ title: 'x'.repeat(200), version: '1' }]);
  }),
);

test(
  'ids are UUIDv7 of now, and sort in the order in which they were made',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    const { rows } = await session.query(
      `INSERT INTO tasks (title) SELECT 'x' FROM generate_series(1, 500)
       RETURNING id, extract(epoch FROM created_at) * 1000 - ('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint AS age`,
    );
    const ids = rows.map(row => row.id);
    t.true(ids.every(id => /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id)));
    t.is(new Set(ids).size, 500);
    // Two made in one microsecond may stand either way round.
    const stamps = ids.map(id => id.slice(0, 18));
    t.deepEqual(stamps, stamps.toSorted());
    t.true(rows.every(row => Math.abs(Number(row.age)) < 1000));
  }),
);

test(
  'version, updated_at and completed_at are made by the database, whatever a writer says',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    const made = await session.query(
      `INSERT INTO tasks (title, version, updated_at, completed_at)
       VALUES ('x', 99, '2000-01-01', '2000-01-01') RETURNING version, updated_at = created_at AS fresh, completed_at`,
    );
    t.like(made.rows[0], { version: '1', completed_at: null });
    const changed = await session.query(
      `UPDATE tasks SET title = 'y', version = 99, updated_at = '2000-01-01', completed_at = '2000-01-01'
       RETURNING version, updated_at > created_at AS later, completed_at`,
    );
    t.deepEqual(changed.rows[0], { version: '2', later: true, completed_at: null });
  }),
);

test(
  'completed_at is set as a task becomes done, kept while it is, and cleared as it is taken up again',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`INSERT INTO tasks (title) VALUES ('x')`);
    const set = (what: string) =>
      readValue<Date | null>(session, `UPDATE tasks SET ${what} RETURNING completed_at`);
    const done = await set(`status = 'done'`);
    t.not(done, null);
    t.deepEqual(await set(`title = 'y'`), done);
    t.deepEqual(await set(`completed_at = NULL`), done);
    t.is(await set(`status = 'in_progress'`), null);
  }),
);

test(
  'a change that changes nothing keeps version and updated_at, and is no event',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    const before = await session.query(
      `INSERT INTO tasks (title, status, labels, due_at) VALUES ('x', 'done', '{a,b}', now()) RETURNING *`,
    );
    await sequence(session);
    const after = await session.query(
      `UPDATE tasks SET title = ' x ', status = 'done', labels = '{a,b}', due_at = due_at, version = 7,
       updated_at = now(), completed_at = now() RETURNING *`,
    );
    t.deepEqual(after.rows, before.rows);
    t.deepEqual(await sequence(session), []);
  }),
);
