// import_rates(): one day's file of a bank, all of it or nothing.
import test from 'ava';
import type pg from 'pg';
import { createRandom, type Random } from '../../helpers/random.ts';
import { readValue, refusal, sequence, withDatabase } from '../../helpers/sql.ts';

type Entry = [currency: string, nominal: number, value: string, name?: string];

async function bring(session: pg.Client, day: string, entries: Entry[]): Promise<number[]> {
  const said = entries.map(([currency, nominal, value, name = currency]) => ({
    currency,
    name,
    nominal,
    value,
  }));
  const { rows } = await session.query(`SELECT * FROM import_rates('bank', $1, $2, true)`, [
    day,
    JSON.stringify(said),
  ]);
  return [rows[0].created, rows[0].updated, rows[0].unchanged];
}

const current = async (session: pg.Client) =>
  (
    await session.query(
      `SELECT concat_ws(' ', currency, rate, nominal, rate_date, version) AS line FROM currencies ORDER BY 1`,
    )
  ).rows.map(row => row.line);

test(
  'only what changed is written, and the same file again is no event at all',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query('SET ROLE taskwire_app');
    const file: Entry[] = [
      ['USD', 1, '115.1963'],
      ['AMD', 100, '22.3221'],
    ];
    t.deepEqual(await bring(session, '2022-03-15', file), [2, 0, 0]);
    t.deepEqual(await bring(session, '2022-03-15', file), [0, 0, 2]);
    t.deepEqual(
      await bring(session, '2022-03-15', [
        ['USD', 1, '115.2'],
        ['AMD', 1000, '223.221'],
        ['EUR', 1, '1'],
      ]),
      [1, 2, 0],
    );
    await session.query('RESET ROLE');
    t.deepEqual(
      (await sequence(session)).map(({ type, data }) => `${type} ${data.currency} ${data.rate}`),
      [
        'currency_created AMD 0.223221',
        'currency_created USD 115.1963',
        'currency_updated AMD 0.223221',
        'currency_created EUR 1',
        'currency_updated USD 115.2',
      ],
    );
  }),
);

test(
  'an older day is kept as past and never takes the place of a newer one',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await bring(session, '2022-07-23', [['USD', 1, '57.3917']]);
    t.deepEqual(await bring(session, '2022-03-15', [['USD', 1, '115.1963']]), [0, 0, 1]);
    t.deepEqual(await current(session), ['USD 57.3917 1 2022-07-23 1']);
    t.deepEqual(
      (await session.query('SELECT rate FROM currency_rates ORDER BY rate_date')).rows.map(row => row.rate),
      ['115.1963', '57.3917'],
    );
    t.deepEqual(await bring(session, '2022-07-26', [['USD', 1, '57.3917']]), [0, 1, 0]);
    t.deepEqual(await current(session), ['USD 57.3917 1 2022-07-26 2']);
  }),
);

const change = (session: pg.Client, change: string) =>
  session.query(`UPDATE currencies SET ${change} WHERE currency = 'USD'`);

test(
  'the same file again changes nothing of what came since; the bank’s next word does',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    const usd = (value: string): Entry[] => [['USD', 1, value]];
    const past = () =>
      readValue(session, `SELECT string_agg(rate::text, ' ' ORDER BY rate_date) FROM currency_rates`);
    await bring(session, '2024-01-12', usd('88'));
    // Told since, of an earlier day, as NATS does on the eve of the bank's date.
    await change(session, `rate = 90, rate_date = '2024-01-11', name = 'mine'`);
    t.deepEqual(await bring(session, '2024-01-12', usd('88')), [0, 0, 1]);
    t.deepEqual(await bring(session, '2024-01-11', usd('87')), [0, 0, 1]); // older than what the bank has said
    t.deepEqual(await current(session), ['USD 90 1 2024-01-11 2']);
    t.is(await past(), '90 88');
    t.deepEqual(await bring(session, '2024-01-12', usd('88.5')), [0, 1, 0]); // corrected
    t.deepEqual(await current(session), ['USD 88.5 1 2024-01-12 3']);
    await change(session, 'rate = 91');
    t.deepEqual(await bring(session, '2024-01-12', usd('88.5')), [0, 0, 1]);
    t.deepEqual(await bring(session, '2024-01-13', usd('88.5')), [0, 1, 0]); // the same, of a later day
    t.deepEqual(await bring(session, '2024-01-12', usd('88.5')), [0, 0, 1]);
    t.deepEqual(await current(session), ['USD 88.5 1 2024-01-13 5']);
    t.is(await past(), '90 91 88.5');
    t.deepEqual(await bring(session, '2024-01-12', usd('88.6')), [0, 0, 1]);
    t.is(await past(), '90 88.6 88.5');
  }),
);

test(
  'a name that the bank corrects on the same day is taken, and nothing else with it',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    const usd = (name: string, value = '88'): Entry[] => [['USD', 1, value, name]];
    const named = () =>
      readValue(session, `SELECT concat_ws(' ', name, rate, rate_date, source, version) FROM currencies`);
    await bring(session, '2024-01-12', usd('Dolar'));
    t.deepEqual(await bring(session, '2024-01-12', usd('Dollar')), [0, 1, 0]);
    t.is(await named(), 'Dollar 88 2024-01-12 bank 2');
    // What came from elsewhere since stays, as long as the bank says just what it said.
    await change(session, `name = 'mine', rate = 90, source = 'nats'`);
    t.deepEqual(await bring(session, '2024-01-12', usd('Dollar')), [0, 0, 1]);
    t.is(await named(), 'mine 90 2024-01-12 nats 3');
    // A name alone brings no rate back, though the one from elsewhere is of a later day by now.
    await change(session, `rate_date = '2024-01-13'`);
    t.deepEqual(await bring(session, '2024-01-12', usd('US dollar')), [0, 1, 0]);
    t.is(await named(), 'US dollar 90 2024-01-13 nats 5');
    t.deepEqual(await bring(session, '2024-01-12', usd('US dollar')), [0, 0, 1]);
    // Of a day that is not the bank's last any more nothing is taken.
    await bring(session, '2024-01-14', usd('US dollar', '89'));
    t.deepEqual(await bring(session, '2024-01-12', usd('Old dollar')), [0, 0, 1]);
    t.is(await named(), 'US dollar 89 2024-01-14 bank 6');
    t.deepEqual((await session.query('SELECT * FROM feed.verify()')).rows, []);
  }),
);

test(
  'a name of a day from before names were kept is remembered, and no news',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    const usd = (name: string): Entry[] => [['USD', 1, '88', name]];
    await bring(session, '2024-01-12', usd('Dollar'));
    await session.query('UPDATE currency_rates SET quoted_name = NULL');
    await change(session, `name = 'mine', rate = 90`);
    t.deepEqual(await bring(session, '2024-01-12', usd('Dollar')), [0, 0, 1]);
    t.is(await readValue(session, `SELECT rate::text FROM currency_rates`), '90');
    t.deepEqual(await bring(session, '2024-01-12', usd('US dollar')), [0, 1, 0]);
  }),
);

test(
  'a deleted currency comes back with the same file, and one made by hand takes the bank’s first word',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await bring(session, '2024-01-12', [['USD', 1, '88']]);
    await session.query('DELETE FROM currencies');
    t.deepEqual(await bring(session, '2024-01-12', [['USD', 1, '88']]), [1, 0, 0]);
    await session.query(`INSERT INTO currencies (currency, rate, rate_date) VALUES ('EUR', 1, '2024-01-12')`);
    t.deepEqual(await bring(session, '2024-01-12', [['EUR', 1, '97']]), [0, 1, 0]);
  }),
);

test(
  'a rate per unit is exact wherever it ends, and rounded at 20 decimals elsewhere',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    const cases: [string, number, string, string][] = [
      ['AAA', 1, '0.0001', '0.0001'],
      ['BBB', 1_000_000_000, '0.0000000001', '0.0000000000000000001'],
      ['CCC', 10_000, '99999999.9999', '9999.99999999'],
      ['DDD', 8, '1', '0.125'],
      ['EEE', 7, '1', '0.14285714285714285714'],
      ['FFF', 3, '200', '66.66666666666666666667'],
    ];
    await bring(
      session,
      '2024-01-01',
      cases.map(([code, nominal, value]) => [code, nominal, value]),
    );
    for (const [code, , , rate] of cases)
      t.is(await readValue(session, `SELECT rate::text FROM currencies WHERE currency = '${code}'`), rate);
  }),
);

test(
  'a file with one entry that breaks a rule changes nothing',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    for (const bad of [
      ['EUR', 1, 'NaN'],
      ['EUR', 1, '0'],
      ['eur', 1, '1'],
      ['RUB', 1, '2'],
    ] as Entry[]) {
      const { code } = await refusal(bring(session, '2024-01-01', [['USD', 1, '90'], bad]));
      t.is(code, '23514', bad.join(' '));
    }
    t.is(await readValue(session, 'SELECT count(*)::int FROM currencies'), 0);
    t.is(await readValue(session, 'SELECT count(*)::int FROM currency_rates'), 0);
  }),
);

const CODES = ['AAA', 'BBB', 'CCC', 'DDD', 'EEE', 'FFF'];
const DAYS = ['2024-01-01', '2024-01-02', '2024-01-03'];

// Files, in a random order of their entries, by the job and by a backfill.
async function bringSome(session: pg.Client, random: Random): Promise<void> {
  for (let round = 0; round < 40; round++) {
    const codes = CODES.filter(() => random.chance(0.7)).sort(() => random.below(3) - 1);
    const entries = codes.map(currency => ({
      currency,
      name: currency,
      nominal: 1,
      value: `${1 + random.below(3)}`,
    }));
    await session.query('SELECT import_rates($1, $2, $3, $4)', [
      ...['bank', random.pick(DAYS), JSON.stringify(entries), random.chance(0.7)],
    ]);
  }
}

// What people do, one currency at a time; one that somebody else has just made is an answer.
async function writeSome(session: pg.Client, random: Random): Promise<void> {
  for (let round = 0; round < 100; round++) {
    const [code, day, rate] = [random.pick(CODES), random.pick(DAYS), 1 + random.below(3)];
    await session
      .query(
        random.pick([
          `INSERT INTO currencies (currency, rate, rate_date) VALUES ('${code}', ${rate}, '${day}')`,
          `UPDATE currencies SET rate = ${rate} WHERE currency = '${code}'`,
          `UPDATE currencies SET rate = ${rate}, rate_date = '${day}' WHERE currency = '${code}'`,
          `DELETE FROM currencies WHERE currency = '${code}'`,
        ]),
      )
      .catch((error: { code?: string }) => {
        if (error.code !== '23505') throw error;
      });
  }
}

test(
  'files and people may write the same currencies at once: nobody is locked out, and each rate is that of its day',
  withDatabase(async (t, database) => {
    const random = createRandom(text => t.log(text));
    const sessions = await Promise.all(Array.from({ length: 6 }, () => database.psql()));
    await t.notThrowsAsync(
      Promise.all(
        sessions.map((session, index) => (index < 3 ? bringSome : writeSome)(session, random.fork())),
      ),
    );
    const session = await database.psql();
    const { rows } = await session.query(`SELECT c.currency FROM currencies AS c
      LEFT JOIN currency_rates AS r USING (currency, rate_date, rate, nominal) WHERE r.currency IS NULL`);
    t.deepEqual(rows, []);
    await sequence(session);
    t.deepEqual((await session.query('SELECT * FROM feed.verify()')).rows, []);
  }),
);
