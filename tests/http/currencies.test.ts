// Currencies over REST: what a resource has, exact rates, conversion, and rates day by day.
import anyTest, { type TestFn } from 'ava';
import { createCurrencyOperations } from '../../src/http/currencies/currency_operations.ts';
import { type Answer, read, startTestApi, type TestApi } from '../helpers/http.ts';
import { createRandom } from '../helpers/random.ts';
import { sequence, shortenLog } from '../helpers/sql.ts';

const test = anyTest as TestFn<TestApi>;
test.beforeEach(async t => {
  t.context = await startTestApi({ operations: pool => createCurrencyOperations({ pool }) });
});
test.afterEach.always(t => t.context?.close());

// A body as it stands, for what JSON.stringify() would write otherwise.
async function sendText({ request }: TestApi, method: string, path: string, body: string): Promise<Answer> {
  return read(await request(path, { method, body, headers: { 'Content-Type': 'application/json' } }));
}

const pathsOf = ({ body }: Answer) => body.errors?.map(({ path }: { path: string }) => path);

test('a code and a rate make a currency; it is found by its code and by its id', async t => {
  const { send } = t.context;
  const made = await send('POST', '/currencies', { currency: 'USD', rate: '83.51730' });
  t.is(made.status, 201);
  t.like(made.body, { currency: 'USD', name: 'USD', nominal: 1, rate: '83.5173', source: null, version: 1 });
  t.is(made.body.rate_date, new Date().toISOString().slice(0, 10));
  t.is(made.headers.get('location'), `/currencies/${made.body.id}`);
  t.is(made.headers.get('etag'), '"1"');
  for (const path of ['/currencies/USD', '/currencies/usd', `/currencies/${made.body.id}`])
    t.deepEqual((await send('GET', path)).body, made.body);
  t.is((await send('POST', '/currencies', { currency: 'USD', rate: '1' })).status, 409);
  t.is((await send('GET', '/currencies/EUR')).status, 404);
  t.is((await send('GET', '/currencies/us')).status, 404);
});

test('PATCH changes the rate, in the version that If-Match says', async t => {
  const { send, psql } = t.context;
  await psql.query(
    `INSERT INTO currencies (currency, rate, rate_date, source) VALUES ('USD', 83.5, '2024-01-02', 'cbr')`,
  );
  const { body: before } = await send('GET', '/currencies/USD');
  const changed = await send('PATCH', '/currencies/USD', { rate: '90.10' }, { 'If-Match': '"1"' });
  t.like(changed.body, { rate: '90.1', rate_date: '2024-01-02', source: null, version: 2 });
  t.true(changed.body.timestamp > before.timestamp);
  t.is((await send('PATCH', '/currencies/USD', { rate: '91' }, { 'If-Match': '"1"' })).status, 412);
  t.like((await send('PATCH', '/currencies/USD', { rate: 90.1 })).body, { version: 2 });
  const [, updated] = await sequence(psql);
  t.like(updated, { type: 'currency_updated', origin: 'rest' });
  t.deepEqual(Object.keys(updated?.previous ?? {}).sort(), ['rate', 'source', 'timestamp', 'version']);
  t.is((await send('DELETE', `/currencies/USD`)).status, 204);
  t.is((await send('DELETE', `/currencies/USD`)).status, 404);
  await sequence(psql);
  t.is((await send('GET', `/currencies/${before.id}/history`)).body.data.length, 3);
});

test('a rate goes in as it is written, or not at all', async t => {
  const { context } = t;
  const exact: [text: string, rate: string][] = [
    ['"83.5173"', '83.5173'],
    ['83.5173', '83.5173'],
    ['0.1', '0.1'],
    ['123456789.012345', '123456789.012345'],
    ['1e-7', '0.0000001'],
    ['1.5E2', '150'],
    ['"0.00000000000000000001"', '0.00000000000000000001'],
    ['"12345678901234567890.12345678901234567890"', '12345678901234567890.1234567890123456789'],
  ];
  await context.send('POST', '/currencies', { currency: 'USD', rate: '1' });
  for (const [text, rate] of exact) {
    const { status, body } = await sendText(context, 'PATCH', '/currencies/USD', `{"rate": ${text}}`);
    t.deepEqual([status, body.rate], [200, rate], text);
  }
  for (const text of [
    ...[
      '83.51730000000000001',
      '0.1234567890123456',
      '1234567890123456',
      '1e400',
      '1e20',
      '1e-21',
      '0',
      '-1',
      '"0"',
      '"0.000"',
    ],
    ...[
      '"-1"',
      '"NaN"',
      '"Infinity"',
      '"1e5"',
      '"1,5"',
      '" 1"',
      '""',
      'null',
      'true',
      '[]',
      '{}',
      '"0x10"',
      '"1_0"',
      '"123456789012345678901"',
    ],
  ]) {
    const answer = await sendText(context, 'PATCH', '/currencies/USD', `{"rate": ${text}}`);
    t.deepEqual([answer.status, pathsOf(answer)], [422, ['/rate']], text);
  }
});

test('any number of up to 15 significant digits is kept digit for digit', async t => {
  const { context } = t;
  const random = createRandom(t.log);
  await context.send('POST', '/currencies', { currency: 'USD', rate: '1' });
  for (let round = 0; round < 100; round++) {
    const digits = Array.from(
      { length: 1 + random.below(15) },
      (_, n) => (n === 0 ? 1 : 0) + random.below(9),
    ).join('');
    const whole = random.below(digits.length + 1);
    const text = `${digits.slice(0, whole) || '0'}${whole < digits.length ? `.${digits.slice(whole)}` : ''}`;
    const rate = text.includes('.') ? text.replace(/\.?0+$/, '') : text;
    const { body } = await sendText(context, 'PATCH', '/currencies/USD', `{"rate": ${text}}`);
    t.is(body.rate, rate, text);
  }
});

test('what is wrong is named, all of it', async t => {
  const { send } = t.context;
  t.deepEqual(pathsOf(await send('POST', '/currencies', {})), ['/currency', '/rate']);
  t.deepEqual(
    pathsOf(
      await send('POST', '/currencies', {
        currency: 'usd',
        rate: 'x',
        name: ' ',
        nominal: 0,
        rate_date: '2024-02-30',
        source: 'x',
        id: 'x',
        size: 1,
      }),
    ).sort(),
    ['/currency', '/id', '/name', '/nominal', '/rate', '/rate_date', '/size', '/source'],
  );
  t.like((await send('POST', '/currencies', { currency: 'RUB', rate: '2' })).body, {
    status: 422,
    errors: [{ path: '/rate' }],
  });
  await send('POST', '/currencies', { currency: 'USD', rate: '1' });
  t.deepEqual(pathsOf(await send('PATCH', '/currencies/USD', { currency: 'EUR' })), ['/currency']);
  t.is((await send('PATCH', '/currencies/USD', { rate_date: '0000-01-01' })).status, 422);
});

test('the list is sorted by code unless asked otherwise, page by page', async t => {
  const { send, psql } = t.context;
  await psql.query(
    `INSERT INTO currencies (currency, rate) VALUES ('USD', 90), ('AUD', 9), ('EUR', 100), ('JPY', 0.5)`,
  );
  const walk = async (first: string) => {
    const codes: string[] = [];
    for (let path: string | undefined = first; path; ) {
      const { body, headers } = await send('GET', path);
      codes.push(...body.data.map(({ currency }: { currency: string }) => currency));
      path = /^<(.*)>; rel="next"$/.exec(headers.get('link') ?? '')?.[1];
    }
    return codes.join(' ');
  };
  t.is(await walk('/currencies?limit=3'), 'AUD EUR JPY USD');
  t.is(await walk('/currencies?limit=1&sort=-rate'), 'EUR USD AUD JPY');
  for (const sort of ['name', 'rate_date', '-timestamp'])
    t.is((await walk(`/currencies?limit=2&sort=${sort}`)).length, 15, sort);
  t.is((await send('GET', '/currencies?sort=size')).status, 400);
});

test('the list and one can be read as they were', async t => {
  const { send, psql } = t.context;
  await psql.query(`INSERT INTO currencies (currency, rate) VALUES ('USD', 90), ('AUD', 9)`);
  await sequence(psql);
  await psql.query(`UPDATE currencies SET rate = rate + 1; DELETE FROM currencies WHERE currency = 'AUD'`);
  await sequence(psql);
  const { body } = await send('GET', '/currencies?as_of=2');
  t.deepEqual(
    body.data.map(({ currency, rate }: { currency: string; rate: string }) => `${currency} ${rate}`).sort(),
    ['AUD 9', 'USD 90'],
  );
  t.is((await send('GET', '/currencies/USD?as_of=2')).body.rate, '90');
  t.is((await send('GET', '/currencies/USD')).body.rate, '91');
});

test('a code leads to the past of whoever had it then, also when it is gone or another’s', async t => {
  const { send, psql } = t.context;
  const write = async (statement: string) => {
    await psql.query(statement);
    await sequence(psql);
  };
  await write(`INSERT INTO currencies (currency, rate) VALUES ('USD', 90)`);
  await write(`DELETE FROM currencies`);
  const history = async () =>
    (await send('GET', '/currencies/USD/history')).body.data.map(({ type }: { type: string }) => type);
  t.deepEqual(await history(), ['currency_created', 'currency_deleted']);
  t.is((await send('GET', '/currencies/USD')).status, 404);
  await write(`INSERT INTO currencies (currency, rate) VALUES ('USD', 100)`);
  t.deepEqual(await history(), ['currency_created']);
  t.is((await send('GET', '/currencies/USD?as_of=1')).body.rate, '90');
  t.is((await send('GET', '/currencies/USD?as_of=2')).status, 404);
  t.is((await send('GET', '/currencies/USD?as_of=3')).body.rate, '100');
  t.is((await send('GET', '/currencies/EUR/history')).status, 404);
});

test('an amount is converted exactly through the rouble, with the rates and their days', async t => {
  const { send, psql } = t.context;
  await psql.query(`INSERT INTO currencies (currency, rate, nominal, rate_date) VALUES
    ('USD', 115.1963, 1, '2022-03-15'), ('EUR', 127.2343, 1, '2022-03-16'), ('UZS', 0.0105423, 1000, '2022-03-15'), ('SAR', 3, 1, '2022-03-15')`);
  const convert = async (query: string) => (await send('GET', `/currencies/convert?${query}`)).body;
  // 100 × 115.1963 / 127.2343, by integers: 11519630000 / 127234300.
  const quotient = (((1151963n * 10n ** 22n * 2n) / 1272343n + 1n) / 2n).toString();
  t.deepEqual(await convert('from=USD&to=EUR&amount=100'), {
    from: { currency: 'USD', rate: '115.1963', rate_date: '2022-03-15' },
    to: { currency: 'EUR', rate: '127.2343', rate_date: '2022-03-16' },
    amount: '100',
    result: `${quotient.slice(0, -20)}.${quotient.slice(-20)}`.replace(/0+$/, ''),
  });
  t.like(await convert('from=USD&to=RUB&amount=0.0001'), {
    result: '0.01151963',
    to: { currency: 'RUB', rate: '1', rate_date: '2022-03-15' },
  });
  t.like(await convert('from=rub&to=sAr'), {
    from: { currency: 'RUB' },
    to: { currency: 'SAR' },
    result: '0.33333333333333333333',
  });
  t.is((await convert('from=RUB&to=SAR')).result, '0.33333333333333333333');
  t.is((await convert('from=RUB&to=SAR&amount=2')).result, '0.66666666666666666667');
  t.is((await convert('from=RUB&to=RUB&amount=7.50')).result, '7.5');
  t.is(
    (await convert('from=USD&to=USD&amount=99999999999999999999.99999999999999999999')).result,
    '99999999999999999999.99999999999999999999',
  );
  t.is((await convert('from=UZS&to=UZS&amount=0')).result, '0');
});

test('a conversion that cannot be is refused, naming what is wrong', async t => {
  const { send } = t.context;
  await send('POST', '/currencies', { currency: 'USD', rate: '90' });
  for (const [query, path] of [
    ['from=USD&to=XXX', 'to'],
    ['from=XXX&to=RUB', 'from'],
    ['from=us&to=RUB', 'from'],
    ['to=RUB', 'from'],
    ['from=USD&to=RUB&amount=-1', 'amount'],
    ['from=USD&to=RUB&amount=1e9', 'amount'],
    ['from=USD&to=RUB&amount=NaN', 'amount'],
    ['from=USD&to=RUB&amount=1&amount=2', 'amount'],
    ['from=USD&to=RUB&sum=1', 'sum'],
  ])
    t.like(
      (await send('GET', `/currencies/convert?${query}`)).body,
      { status: 400, errors: [{ path }] },
      query,
    );
});

test('rates day by day come in pages, within the days that are asked for', async t => {
  const { send, psql } = t.context;
  for (const [day, rate] of [
    ['2024-01-01', '1.5'],
    ['2024-01-03', '2'],
    ['2024-01-02', '3'],
    ['2024-01-04', '4'],
  ])
    await psql.query(
      `INSERT INTO currencies (currency, rate, rate_date) VALUES ('USD', $1, $2)
      ON CONFLICT (currency) DO UPDATE SET rate = excluded.rate, rate_date = excluded.rate_date`,
      [rate, day],
    );
  const first = await send('GET', '/currencies/USD/rates?from=2024-01-01&to=2024-01-03&limit=2');
  t.deepEqual(first.body.data, [
    { rate_date: '2024-01-01', rate: '1.5', nominal: 1 },
    { rate_date: '2024-01-02', rate: '3', nominal: 1 },
  ]);
  const second = await send('GET', /^<(.*)>; rel/.exec(first.headers.get('link') ?? '')?.[1] ?? '');
  t.deepEqual(second.body, { data: [{ rate_date: '2024-01-03', rate: '2', nominal: 1 }], next_cursor: null });
  t.is((await send('GET', '/currencies/USD/rates')).body.data.length, 4);
  t.deepEqual((await send('GET', '/currencies/USD/rates?from=2025-01-01')).body, {
    data: [],
    next_cursor: null,
  });
  t.is((await send('GET', '/currencies/EUR/rates')).status, 404);
  t.is((await send('GET', '/currencies/USD/rates?from=2024-02-30')).status, 400);
  t.is((await send('GET', '/currencies/USD/rates?from=0000-01-01')).status, 400);
});

test('a first day after the last is refused, naming both', async t => {
  const { send } = t.context;
  await send('POST', '/currencies', { currency: 'USD', rate: '1' });
  const answer = await send('GET', '/currencies/USD/rates?from=2024-01-02&to=2024-01-01');
  t.like(answer.body, {
    status: 400,
    errors: [
      { path: 'from', message: 'must not be after to' },
      { path: 'to', message: 'must not be before from' },
    ],
  });
  t.is((await send('GET', '/currencies/USD/rates?from=2024-01-02&to=2024-01-02')).status, 200);
});

test('the rates of a currency that is gone can be read, by its code and by its id, at once and later', async t => {
  const { send, psql } = t.context;
  const made = await send('POST', '/currencies', { currency: 'USD', rate: '90', rate_date: '2024-01-02' });
  await psql.query(
    `INSERT INTO currency_rates (currency, rate_date, rate) VALUES ('EEK', '2010-12-31', 2.5)`,
  );
  await send('DELETE', '/currencies/USD');
  const rates = [{ rate_date: '2024-01-02', rate: '90', nominal: 1 }];
  const references = ['USD', made.body.id, made.body.id.toUpperCase()];
  const read = async () => {
    for (const reference of references)
      t.deepEqual((await send('GET', `/currencies/${reference}/rates`)).body.data, rates, reference);
  };
  await read();
  await sequence(psql);
  await read();
  t.is((await send('GET', '/currencies/USD')).status, 404);
  // A backfill keeps rates of what never was a currency here.
  t.is((await send('GET', '/currencies/EEK/rates')).body.data.length, 1);
  for (const nobody of ['EUR', '00000000-0000-7000-8000-000000000000'])
    t.is((await send('GET', `/currencies/${nobody}/rates`)).status, 404, nobody);
});

test('a currency that was made before the log begins is found by its code, also after another one got it', async t => {
  const { psql, send } = t.context;
  const make = `INSERT INTO currencies (currency, name, rate, rate_date) VALUES ('USD', $1, 80, '2026-01-01')`;
  await psql.query(make, ['the first']);
  await psql.query(`INSERT INTO tasks (title) VALUES ('x')`);
  await sequence(psql);
  await shortenLog(psql, 2);
  t.like(await send('GET', '/currencies/USD?as_of=2'), { status: 200, body: { name: 'the first' } });
  await psql.query(`DELETE FROM currencies`);
  await psql.query(make, ['the second']);
  await sequence(psql);
  t.like(await send('GET', '/currencies/USD?as_of=2'), { status: 200, body: { name: 'the first' } });
  t.like(await send('GET', '/currencies/USD?as_of=4'), { status: 200, body: { name: 'the second' } });
});
