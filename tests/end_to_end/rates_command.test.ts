// `npm run rates`: past days come one file a day; what fails ends it with the reason, and what came before it stays.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { bankXml, type Entry, xml } from '../fixtures/bank.ts';
import { type SourceServer, startSource } from '../fixtures/source_server.ts';
import { withDatabase } from '../helpers/sql.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

async function rates(url: string, source: SourceServer, ...args: string[]) {
  const env = { PATH: process.env.PATH, DATABASE_URL: url, RATES_URL: source.url };
  const child = spawn(process.execPath, ['src/commands/rates.ts', ...args], { cwd: ROOT, env });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', data => (output += data));
  const [code] = await once(child, 'close');
  return { code, output };
}

// A bank that has rates on working days, and gives Saturday's on Sunday and Monday.
function bank(source: SourceServer, entries: (day: string) => Entry[]): void {
  source.answer((request, response) => {
    const asked = /date_req=(\d\d)\/(\d\d)\/(\d{4})$/.exec(request.url ?? '');
    const [, date, month, year] = asked ?? [];
    const day = new Date(`${year}-${month}-${date}T00:00:00Z`);
    while ([0, 1].includes(day.getUTCDay())) day.setUTCDate(day.getUTCDate() - 1);
    const text = day.toISOString().slice(0, 10);
    xml(bankXml(text.split('-').reverse().join('.'), entries(text)))(request, response);
  });
}

test(
  'past days are kept, weekends too, and what is newer stays as it is',
  withDatabase(async (t, database) => {
    const source = await startSource();
    t.teardown(source.close);
    bank(source, day => [
      ['USD', 1, 'Доллар США', `${day.slice(-2)},5`],
      ['EEK', 10, 'Эстонских крон', '23,0'],
    ]);
    const psql = await database.psql();
    await psql.query(`INSERT INTO currencies (currency, rate, rate_date) VALUES ('USD', 90, '2024-06-01')`);
    const { code, output } = await rates(database.url, source, '--from', '2024-01-05', '--to', '2024-01-09');
    t.is(code, 0, output);
    t.deepEqual(output.trim().split('\n'), [
      '2024-01-05: rates of 2024-01-05, 2 currencies, 2 kept, 0 updated',
      '2024-01-06: rates of 2024-01-06, 2 currencies, 2 kept, 0 updated',
      '2024-01-07: rates of 2024-01-06, 2 currencies, 0 kept, 0 updated',
      '2024-01-08: rates of 2024-01-06, 2 currencies, 0 kept, 0 updated',
      '2024-01-09: rates of 2024-01-09, 2 currencies, 2 kept, 0 updated',
    ]);
    const told = async (query: string) =>
      (await psql.query(query)).rows.map(row => Object.values(row).join(' '));
    t.deepEqual(
      await told(`SELECT currency, rate::text, rate_date::text, version FROM currencies ORDER BY 1`),
      ['USD 90 2024-06-01 1'],
    );
    t.deepEqual(
      await told(`SELECT rate_date::text, rate::text FROM currency_rates WHERE currency = 'USD' ORDER BY 1`),
      ['2024-01-05 5.5', '2024-01-06 6.5', '2024-01-09 9.5', '2024-06-01 90'],
    );
    t.deepEqual(await told(`SELECT count(*) FROM currency_rates WHERE currency = 'EEK'`), ['3']);
    t.deepEqual((await psql.query('SELECT * FROM feed.verify()')).rows, []);
  }),
);

test(
  'entries of 1992 that have no code are left out by name, and the others are kept',
  withDatabase(async (t, database) => {
    const source = await startSource();
    t.teardown(source.close);
    const file = await readFile(new URL('../fixtures/cbr_daily_1992-07-01.xml', import.meta.url));
    source.answer(xml(file));
    const range = ['--from', '1992-07-01', '--to', '1992-07-01'];
    const { code, output } = await rates(database.url, source, ...range);
    t.is(code, 0, output);
    t.is(
      output,
      '1992-07-01: rates of 1992-07-01, 2 currencies, 2 kept, 0 updated; left out, having no code: Ирландский фунт, Литовский талон\n',
    );
    const psql = await database.psql();
    const { rows } = await psql.query(
      `SELECT concat_ws(' ', currency, rate, quoted_name) AS line FROM currency_rates ORDER BY 1`,
    );
    t.deepEqual(
      rows.map(row => row.line),
      ['AUD 94.09 Австралийский доллар', 'USD 125.26 Доллар США'],
    );
    // One code without the other is no entry of then, but a fault.
    source.answer(
      xml(
        Buffer.from(
          file.toString('latin1').replace('<CharCode></CharCode>', '<CharCode>IEP</CharCode>'),
          'latin1',
        ),
      ),
    );
    const fault = await rates(database.url, source, ...range);
    t.is(fault.code, 1);
    t.regex(fault.output, /entry 2 \(IEP\): NumCode must be three digits\n$/);
  }),
);

test(
  'a day that fails ends it with the reason; the days before it stay',
  withDatabase(async (t, database) => {
    const source = await startSource();
    t.teardown(source.close);
    bank(source, day => [['USD', 1, 'Доллар США', day === '2024-01-11' ? '0,0' : '1,5']]);
    const failed = await rates(database.url, source, '--from', '2024-01-10', '--to', '2024-01-12');
    t.is(failed.code, 1);
    t.regex(
      failed.output,
      /^2024-01-10: .*\nhttp:\/\/127\.0\.0\.1:\d+\/todos: entry 1 \(USD\): Value must be greater than 0\n$/,
    );
    const psql = await database.psql();
    t.deepEqual((await psql.query('SELECT rate_date::text FROM currency_rates')).rows, [
      { rate_date: '2024-01-10' },
    ]);
  }),
);

test(
  'an answer of a later day, or of one longer ago than any holidays, ends it, and nothing of it is kept',
  withDatabase(async (t, database) => {
    const source = await startSource();
    t.teardown(source.close);
    const psql = await database.psql();
    for (const [given, reason] of [
      ['2024-01-17', 'a later day'],
      ['2023-12-31', '16 days before: more than 15 are no holidays'],
    ] as const) {
      source.answer(xml(bankXml(given.split('-').reverse().join('.'), [['USD', 1, 'Доллар США', '2,0']])));
      t.deepEqual(await rates(database.url, source, '--from', '2024-01-16', '--to', '2024-01-16'), {
        code: 1,
        output: `asked for the rates of 2024-01-16, the bank gave those of ${given}, ${reason}\n`,
      });
    }
    t.is((await psql.query('SELECT FROM currency_rates')).rowCount, 0);
    source.answer(xml(bankXml('01.01.2024', [['USD', 1, 'Доллар США', '2,0']])));
    const { code, output } = await rates(database.url, source, '--from', '2024-01-16', '--to', '2024-01-16');
    t.deepEqual([code, output], [0, '2024-01-16: rates of 2024-01-01, 1 currencies, 1 kept, 0 updated\n']);
  }),
);

test(
  'days that are none, to come, in the wrong order or too many are refused with the usage, and nobody is asked',
  withDatabase(async (t, database) => {
    const source = await startSource();
    t.teardown(source.close);
    for (const [from, to] of [
      ['2024-02-30', '2024-03-01'],
      ['2024-01-02', '2024-01-01'],
      ['2024-01-01', '2999-01-01'],
      ['1992-06-30', '1992-07-02'],
      ['2020-01-01', '2024-01-01'],
      ['01.01.2024', '02.01.2024'],
    ]) {
      const { code, output } = await rates(
        database.url,
        source,
        '--from',
        from as string,
        '--to',
        to as string,
      );
      t.deepEqual([code, output.startsWith('usage: npm run rates')], [1, true], `${from} ${to}`);
    }
    t.is(source.requests.length, 0);
  }),
);
