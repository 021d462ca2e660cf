// What the database alone makes of a currency: id, name, the moment of its rate, version, and the rate of its day.
import test from 'ava';
import type pg from 'pg';
import { readValue, sequence, withDatabase } from '../../helpers/sql.ts';

const USD = `INSERT INTO currencies (currency, rate, rate_date) VALUES ('USD', 83.5173, '2024-01-02')`;

async function ratesOf(session: pg.Client): Promise<string[]> {
  const { rows } = await session.query(
    `SELECT concat_ws(' ', currency, rate_date, rate, nominal) AS line FROM currency_rates ORDER BY 1`,
  );
  return rows.map(row => row.line);
}

test(
  'a code and a rate are enough: the database makes the rest',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query('SET ROLE taskwire_app');
    const told = await readValue<Record<string, unknown>>(
      session,
      `INSERT INTO currencies (currency, rate) VALUES ('USD', 83.5173) RETURNING feed.render(currencies)`,
    );
    const today = await readValue(session, `SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD')`);
    t.like(told, { currency: 'USD', name: 'USD', nominal: 1, rate: '83.5173', source: null, version: 1 });
    t.is(told.rate_date, today);
    t.regex(String(told.id), /^[0-9a-f-]{14}7/);
    t.regex(String(told.timestamp), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  }),
);

test(
  'timestamp follows the rate and nothing else, unless a writer knows better',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    const change = (what: string) =>
      readValue<Date>(session, `UPDATE currencies SET ${what} RETURNING "timestamp"`);
    const made = await readValue<Date>(session, `${USD} RETURNING "timestamp"`);
    t.deepEqual(await change(`name = 'Dollar', nominal = 100, rate_date = '2024-01-03'`), made);
    t.not((await change('rate = 84')).getTime(), made.getTime());
    t.deepEqual(await change(`rate = 85, "timestamp" = '2020-01-01Z'`), new Date('2020-01-01T00:00:00Z'));
    t.is(await readValue(session, 'SELECT version FROM currencies'), '4');
  }),
);

test(
  'a rate that is written otherwise is the same rate: no new version, no event',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(USD);
    await sequence(session);
    await session.query(`UPDATE currencies SET rate = 83.517300, name = ' USD ', nominal = 1`);
    t.deepEqual(await sequence(session), []);
    t.is(await readValue(session, 'SELECT version FROM currencies'), '1');
  }),
);

test(
  'an event says what was before',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'German'`);
    await session.query(USD);
    await session.query(`UPDATE currencies SET rate = 90.10, rate_date = '2024-01-03'`);
    await session.query('DELETE FROM currencies');
    const [created, updated, deleted] = await sequence(session);
    t.like(created, { type: 'currency_created', topic: 'currencies', previous: null });
    t.like(updated, { type: 'currency_updated' });
    t.like(updated?.data, { rate: '90.1', rate_date: '2024-01-03', version: 2 });
    t.deepEqual(updated?.previous, {
      rate: '83.5173',
      rate_date: '2024-01-02',
      timestamp: created?.data.timestamp,
      version: 1,
    });
    t.like(deleted, { type: 'currency_deleted', data: updated?.data });
    t.deepEqual((await session.query('SELECT * FROM feed.verify()')).rows, []);
  }),
);

test(
  'every rate that was written is kept under its day, whoever wrote it, also after the currency is gone',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`CREATE ROLE clerk_${process.pid} IN ROLE taskwire_app`);
    await session.query(`SET ROLE clerk_${process.pid}`);
    await session.query(USD);
    await session.query(`UPDATE currencies SET rate = 84, nominal = 10`);
    await session.query(`UPDATE currencies SET rate = 85, rate_date = '2024-01-03'`);
    await session.query(`DELETE FROM currencies`);
    t.deepEqual(await ratesOf(session), ['USD 2024-01-02 84 10', 'USD 2024-01-03 85 10']);
    await session.query(`RESET ROLE; DROP ROLE clerk_${process.pid}`);
  }),
);

test(
  'a currency that comes back under its old id goes on from its last version',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    const id = await readValue(session, `${USD} RETURNING id`);
    await session.query('UPDATE currencies SET rate = 1; DELETE FROM currencies');
    const again = `INSERT INTO currencies (id, currency, rate) VALUES ('${id}', 'USD', 2) RETURNING version`;
    t.is(await readValue(session, again), '3');
  }),
);
