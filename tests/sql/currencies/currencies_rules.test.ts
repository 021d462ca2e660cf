// Every rule of a currency and of its rates day by day, broken from psql.
import test from 'ava';
import { type Attack, testRules } from '../../helpers/rules.ts';
import { withDatabase } from '../../helpers/sql.ts';

const ID = '00000000-0000-7000-8000-000000000001';
const RATES = [`'NaN'`, `'Infinity'`, `'-Infinity'`, '0', '-1', '1e20'];
const DATES = [`'infinity'`, `'-infinity'`, `'10000-01-01'`, `'0001-12-31 BC'`];
const CODES = [`'usd'`, `'US'`, `'USDT'`, `''`, `'ДОЛ'`, `E'USD\\n'`, `'U D'`];

// What both tables hold of a rate, each under rules of its own.
function attacksOnRates(table: string, given: (columns: string, values: string) => string): Attack[] {
  return [
    ...CODES.map((code): Attack => [`${table}_currency_format`, given('currency', code)]),
    ...RATES.map((rate): Attack => [`${table}_rate_range`, given('rate', rate)]),
    ...DATES.map((date): Attack => [`${table}_rate_date_range`, given('rate_date', date)]),
    [`${table}_rate_scale`, given('rate', '1e-21')],
    [`${table}_rouble_is_one`, given('currency, rate', `'RUB', 2`)],
    [`${table}_nominal_positive`, given('nominal', '0')],
    [`${table}_nominal_positive`, `UPDATE ${table} SET nominal = -1`],
  ];
}

// A statement that is right but for the columns given.
function insertInto(table: string, usual: Record<string, string>) {
  return (columns: string, values: string) => {
    const others = Object.entries(usual).filter(([name]) => !columns.split(', ').includes(name));
    const names = [columns, ...others.map(([name]) => name)].join(', ');
    return `INSERT INTO ${table} (${names}) VALUES (${[values, ...others.map(([, value]) => value)].join(', ')})`;
  };
}

const currency = insertInto('currencies', { currency: `'EUR'`, rate: '100' });
const rate = insertInto('currency_rates', { currency: `'EUR'`, rate: '100', rate_date: `'2024-01-01'` });

testRules(test, {
  table: 'currencies',
  setup: `INSERT INTO currencies (id, currency, rate) VALUES ('${ID}', 'USD', 83.5173)`,
  attacks: [
    ...attacksOnRates('currencies', currency),
    ['currencies_currency_key', currency('currency', `'USD'`)],
    ['currencies_pkey', currency('id', `'${ID}'`)],
    ['currencies_name_length', currency('name', `E' \\t\\u00A0'`)],
    ['currencies_name_length', currency('name', `repeat('x', 201)`)],
    ['currencies_name_length', `UPDATE currencies SET name = ''`],
    ['currencies_source_length', currency('source', `''`)],
    ['currencies_source_length', currency('source', `repeat('x', 101)`)],
    ['currencies_timestamp_range', currency('timestamp', `'infinity'`)],
    ['currencies_timestamp_range', currency('timestamp', `'-infinity'`)],
    ['currencies_identity_fixed', `UPDATE currencies SET currency = 'EUR'`],
    ['currencies_identity_fixed', 'UPDATE currencies SET id = gen_random_uuid()'],
    [
      'currencies_rate_of_its_day',
      `UPDATE currency_rates SET rate_date = '2024-01-01'; SET CONSTRAINTS ALL IMMEDIATE`,
    ],
  ],
  behindTriggers: [['currencies_version_positive', 'UPDATE currencies SET version = 0']],
  required: ['currency', 'name', 'nominal', 'rate', 'rate_date'],
});

testRules(test, {
  table: 'currency_rates',
  setup: `INSERT INTO currency_rates (currency, rate_date, rate) VALUES ('USD', '2024-01-01', 83.5173)`,
  attacks: [
    ...attacksOnRates('currency_rates', rate),
    ['currency_rates_pkey', rate('currency, rate_date', `'USD', '2024-01-01'`)],
    ['currency_rates_quoted_whole', rate('quoted_rate', '1')],
    ['currency_rates_quoted_whole', rate('quoted_nominal', '1')],
    ...RATES.map(
      (value): Attack => [
        'currency_rates_quoted_rate_range',
        rate('quoted_rate, quoted_nominal', `${value}, 1`),
      ],
    ),
    ['currency_rates_quoted_name_beside_rate', rate('quoted_name', `'x'`)],
    ...[`''`, `repeat('x', 201)`].map(
      (name): Attack => [
        'currency_rates_quoted_name_length',
        rate('quoted_rate, quoted_nominal, quoted_name', `1, 1, ${name}`),
      ],
    ),
    ['currency_rates_quoted_nominal_positive', rate('quoted_rate, quoted_nominal', '1, 0')],
  ],
  required: ['currency', 'rate_date', 'rate', 'nominal'],
});

test(
  'the edges of every rule are inside it',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query('SET ROLE taskwire_app');
    const { rows } = await session.query(
      `INSERT INTO currencies (currency, name, nominal, rate, rate_date, source, "timestamp") VALUES
       ('AAA', repeat(E'\\U0001F600', 200), 2147483647, 0.00000000000000000001, '0001-01-01', repeat('s', 100), '0001-01-01 00:00:00+00'),
       ('ZZZ', ' x ', 1, 99999999999999999999.99999999999999999999, '9999-12-31', NULL, '9999-12-31 23:59:59.999999+00'),
       ('RUB', 'rouble', 1, 1.000, '2024-01-01', NULL, NULL)
       RETURNING rate, feed.render(currencies) ->> 'rate' AS told`,
    );
    t.deepEqual(
      rows.map(row => row.told),
      ['0.00000000000000000001', '99999999999999999999.99999999999999999999', '1'],
    );
  }),
);
