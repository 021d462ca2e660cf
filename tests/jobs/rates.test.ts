// The rates job: the bank's file becomes currencies, only what changed is written, and a bad file changes nothing.
import test from 'ava';
import { type CurrencyRatesOptions, currencyRates } from '../../src/jobs/rates/currency_rates.ts';
import { storeRate } from '../../src/queries/ingest.ts';
import { bankXml, type Entry, MARCH, windows1251, xml } from '../fixtures/bank.ts';
import { type Jobs, startJobs } from '../fixtures/jobs.ts';
import type { Handler } from '../fixtures/source_server.ts';
import { until } from '../helpers/until.ts';

type Rates = Jobs<Partial<CurrencyRatesOptions>>;

const startRates = (t: Parameters<typeof startJobs>[0]): Promise<Rates> =>
  startJobs(t, {
    kind: 'currency_rates',
    topic: 'currencies',
    make: ({ url }, { cron, retryFor = 0 }: Partial<CurrencyRatesOptions>) =>
      currencyRates({ url, cron, retryFor }),
  });

async function stored({ psql }: Rates): Promise<string[]> {
  const { rows } = await psql.query(
    `SELECT concat_ws(' ', currency, nominal, rate, rate_date, source, version, name) AS line FROM currencies ORDER BY currency`,
  );
  return rows.map(row => row.line);
}

test('the bank’s file becomes currencies: names, dates and the rate of one unit, exactly', async t => {
  const rates = await startRates(t);
  rates.source.answer(xml(bankXml('15.03.2022', MARCH)));
  await rates.startWorker();
  t.like(await rates.run(), {
    status: 'succeeded',
    fetched: 5,
    created: 5,
    updated: 0,
    unchanged: 0,
    error: null,
  });
  t.deepEqual(await stored(rates), [
    'AMD 100 0.223221 2022-03-15 cbr 1 Армянских драмов',
    'AUD 1 83.5173 2022-03-15 cbr 1 Австралийский доллар',
    'USD 1 115.1963 2022-03-15 cbr 1 Доллар США',
    'UZS 1000 0.0105423 2022-03-15 cbr 1 Узбекских сумов',
    'XDR 1 159.3464 2022-03-15 cbr 1 СДР (специальные права заимствования)',
  ]);
  const staged = await rates.staged();
  t.true(staged.every(({ type, origin }) => type === 'currency_created' && origin === 'generator'));
});

test('only what changed is written; the same file again makes no event of a currency', async t => {
  const rates = await startRates(t);
  await rates.startWorker();
  const file = (...entries: Entry[]) => rates.source.answer(xml(bankXml('15.03.2022', entries)));
  const [aud, amd, usd] = MARCH as [Entry, Entry, Entry];
  file(aud, amd, usd);
  await rates.run();
  await rates.staged();
  t.like(await rates.run(), { status: 'succeeded', fetched: 3, created: 0, updated: 0, unchanged: 3 });
  t.deepEqual(await rates.staged(), []);
  file(aud, ['AMD', 10, 'Армянских драмов', '2,23221'], ['USD', 1, 'Доллар США', '116,0000']);
  t.like(await rates.run(), { status: 'succeeded', updated: 2, unchanged: 1 });
  t.deepEqual(
    (await rates.staged()).map(({ type, data }) => `${type} ${data.currency} ${data.rate}`),
    ['currency_updated AMD 0.223221', 'currency_updated USD 116'],
  );
});

test('a name that the bank corrects on the same day is taken', async t => {
  const rates = await startRates(t);
  await rates.startWorker();
  const file = (name: string) =>
    rates.source.answer(xml(bankXml('15.03.2022', [['USD', 1, name, '115,1963']])));
  file('Доллар СШБ');
  await rates.run();
  await rates.staged();
  file('Доллар США');
  t.like(await rates.run(), { status: 'succeeded', updated: 1, unchanged: 0 });
  t.deepEqual(
    (await rates.staged()).map(({ type, data }) => `${type} ${data.name} ${data.rate}`),
    ['currency_updated Доллар США 115.1963'],
  );
  t.like(await rates.run(), { status: 'succeeded', updated: 0, unchanged: 1 });
});

test('references to characters are what they stand for', async t => {
  const rates = await startRates(t);
  await rates.startWorker();
  const name = '&#1044;&#x43E;ллар &#60;США&#62; &amp; &#38;Co&#x1F600;&#0034;';
  rates.source.answer(xml(bankXml('15.03.2022', [['USD', 1, name, '1&#44;5']])));
  t.like(await rates.run(), { status: 'succeeded', error: null });
  t.deepEqual(await stored(rates), ['USD 1 1.5 2022-03-15 cbr 1 Доллар <США> & &Co😀"']);
  const verbatim = '<![CDATA[A&#1044;]]><!-- &#0; -->';
  rates.source.answer(xml(bankXml('16.03.2022', [['USD', 1, verbatim, '1,5']])));
  t.regex((await rates.run()).error ?? '', /entry 1 \(USD\): Name holds what is no character of a name$/);
});

test('the bank behind a redirect that sets a cookie is reached, with that cookie alone', async t => {
  const rates = await startRates(t);
  await rates.startWorker();
  const file = xml(bankXml('15.03.2022', [['USD', 1, 'x', '1,5']]));
  rates.source.answer((request, response) => {
    if (request.headers.cookie === '__ddg1=a=b; seen=2') file(request, response);
    else
      response
        .writeHead(302, {
          Location: request.url ?? '',
          'Set-Cookie': [
            '__ddg1=a=b; Domain=.cbr.ru; HttpOnly; Path=/; Expires=Sat, 23-Nov-2999 05:38:12 GMT',
            'seen=1; Path=/scripts',
            'seen=2',
            'gone=1',
            'gone=; Max-Age=0',
            'over=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT',
          ],
        })
        .end();
  });
  t.like(await rates.run(), { status: 'succeeded', created: 1, error: null });
  t.deepEqual(
    rates.source.requests.splice(0).map(({ headers }) => headers.cookie),
    [undefined, '__ddg1=a=b; seen=2'],
  );
  await rates.run();
  t.is(rates.source.requests[0]?.headers.cookie, undefined);
});

test('a date that comes again, as on a weekend, is no error, and an older one changes nothing', async t => {
  const rates = await startRates(t);
  await rates.startWorker();
  for (const [date, value, outcome] of [
    ['12.03.2022', '100,0', { created: 1 }],
    ['12.03.2022', '100,0', { unchanged: 1 }],
    ['11.03.2022', '99,0', { unchanged: 1 }],
    ['15.03.2022', '100,0', { updated: 1 }],
  ] as const) {
    rates.source.answer(xml(bankXml(date, [['USD', 1, 'USD', value]])));
    t.like(await rates.run(), { status: 'succeeded', ...outcome });
  }
  t.deepEqual(await stored(rates), ['USD 1 100 2022-03-15 cbr 2 USD']);
  const { rows } = await rates.psql.query(`SELECT rate::text FROM currency_rates ORDER BY rate_date`);
  t.deepEqual(
    rows.map(row => row.rate),
    ['99', '100', '100'],
  );
});

test('a rate from NATS, of a day before the bank’s, stays while the file has nothing new', async t => {
  const rates = await startRates(t);
  await rates.startWorker();
  const [year, month, day] = new Date(Date.now() + 2 * 86_400_000).toISOString().slice(0, 10).split('-');
  const file = (value: string) =>
    rates.source.answer(xml(bankXml(`${day}.${month}.${year}`, [['USD', 1, 'USD', value]])));
  file('115,0');
  t.like(await rates.run(), { status: 'succeeded', created: 1 });
  const timestamp = new Date(Date.now() + 60_000).toISOString();
  const told = { currency: 'USD', rate: '120', timestamp, name: undefined };
  t.deepEqual(await storeRate(rates.database.pool, told), { outcome: 'updated' });
  await rates.staged();
  t.like(await rates.run(), { status: 'succeeded', updated: 0, unchanged: 1 });
  t.deepEqual(await rates.staged(), []);
  file('116,0');
  t.like(await rates.run(), { status: 'succeeded', updated: 1 });
  t.deepEqual(await stored(rates), [`USD 1 116 ${year}-${month}-${day} cbr 3 USD`]);
});

test('the encoding is the header’s, else the document’s, else UTF-8', async t => {
  const rates = await startRates(t);
  await rates.startWorker();
  const text = bankXml('15.03.2022', [['USD', 1, 'Доллар США', '1,5']]);
  const bare = text.replace(' encoding="windows-1251"', '');
  for (const answer of [
    xml(windows1251(text), 'text/xml'),
    xml(windows1251(bare), 'application/xml; charset="windows-1251"'),
    xml(Buffer.from(text), 'text/xml; charset=utf-8'),
    xml(Buffer.from(bare), 'text/xml'),
    xml(Buffer.from(`\uFEFF${bare}`), 'text/xml'),
  ]) {
    rates.source.answer(answer);
    t.like(await rates.run(), { status: 'succeeded', error: null });
    t.deepEqual(await stored(rates), ['USD 1 1.5 2022-03-15 cbr 1 Доллар США']);
  }
});

const good: Entry = ['EUR', 1, 'Евро', '127,2343'];
const withEntry = (...entries: Entry[]) => xml(bankXml('15.03.2022', [good, ...entries]));
const changed = (from: string | RegExp, to: string) => xml(bankXml('15.03.2022', [good]).replace(from, to));
const LAUGHS = `<!DOCTYPE lolz [<!ENTITY a "lol">${Array.from('bcdefghij', (name, n) => `<!ENTITY ${name} "${`&${'abcdefghi'[n]};`.repeat(10)}">`).join('')}]>`;

const BAD: Record<string, [answer: Handler, error: RegExp]> = {
  'cut off': [xml(bankXml('15.03.2022', [good]).slice(0, -20)), /no XML: line 1: /],
  'cut off on the way': [
    (_request, response) => {
      response.writeHead(200, { 'Content-Length': 10_000 }).write('<?xml');
      setImmediate(() => response.destroy());
    },
    /could not be reached|did not/,
  ],
  empty: [xml(''), /no XML/],
  'a page of HTML': [
    xml('<!doctype html><html><body>Ведутся работы</body></html>', 'text/html; charset=windows-1251'),
    /document type/,
  ],
  'well-formed HTML': [xml('<html><body>x</body></html>', 'text/html'), /ValCurs must be its root/],
  JSON: [xml('{"Valute": []}', 'application/json'), /no XML/],
  'entities that grow without end': [changed('<ValCurs', `${LAUGHS}<ValCurs`), /document type/],
  'an entity nobody knows': [withEntry(['USD', 1, 'a&amp;b &xxe;', '1,0']), /entry 2 \(USD\): Name/],
  'another encoding than it says': [
    xml(windows1251(bankXml('15.03.2022', [good])), 'text/xml; charset=utf-8'),
    /says that it is utf-8, but it is not/,
  ],
  'UTF-8 that says windows-1251': [
    xml(Buffer.from(bankXml('15.03.2022', [good]))),
    /says that it is windows-1251, but it is UTF-8/,
  ],
  'an encoding nobody knows': [
    xml('<a/>', 'text/xml; charset=klingon'),
    /encoding that is not known: klingon/,
  ],
  'far too large': [xml(`<a>${' '.repeat(1024 * 1024)}</a>`), /more than 1 MB/],
  'a reference to a character that no document may hold': [
    withEntry(['USD', 1, 'a&#0;b', '1,0']),
    /: its XML holds &#0;, which is no character that a document may hold$/,
  ],
  'a reference to half a surrogate pair': [
    withEntry(['USD', 1, '&#xD83D;&#xDE00;', '1,0']),
    /holds &#xD83D;, /,
  ],
  'a reference beyond Unicode': [withEntry(['USD', 1, '&#x110000;', '1,0']), /holds &#x110000;, /],
  'a reference to a noncharacter, in an attribute': [changed('R00', '&#65535;'), /holds &#65535;, /],
  'a reference without an end': [withEntry(['USD', 1, '&#65', '1,0']), /no XML: line 1: /],
  'a reference without a number': [withEntry(['USD', 1, '&#x;', '1,0']), /holds &#x;, /],
  'a control character as it is': [
    withEntry(['USD', 1, 'a\u0001b', '1,0']),
    /holds a character that no document/,
  ],
  'an entry without a code': [
    changed(/<NumCode>.*<\/CharCode>/, ''),
    /entry 1: NumCode is missing; CharCode is missing$/,
  ],
  'no currencies': [xml(bankXml('15.03.2022', [])), /Valute must be there/],
  'a day that is none': [changed('15.03.2022', '31.02.2022'), /Date must be a date/],
  'a day far ahead': [changed('15.03.2022', '15.03.2999'), /far ahead/],
  'a value of zero': [withEntry(['USD', 1, 'x', '0,0000']), /entry 2 \(USD\): Value must be greater than 0/],
  'a value below zero': [withEntry(['USD', 1, 'x', '-1,0']), /entry 2 \(USD\): Value must be a number/],
  'a value that is no number': [withEntry(['USD', 1, 'x', 'NaN']), /Value must be a number/],
  'a nominal of zero': [withEntry(['USD', 0, 'x', '1,0']), /Nominal must be a whole number/],
  'a code that is none': [withEntry(['US', 1, 'x', '1,0']), /entry 2: CharCode must be three letters/],
  'no name': [withEntry(['USD', 1, ' ', '1,0']), /entry 2 \(USD\): Name must have/],
  'a code twice': [withEntry(['USD', 1, 'x', '1,0'], ['USD', 1, 'x', '2,0']), /USD stands in it twice/],
  'a field that is missing': [changed(/<Value>.*<\/Value>/, ''), /entry 1 \(EUR\): Value is missing$/],
  'a field that is not known': [
    changed('<Value>', '<Rate>1</Rate><Value>'),
    /entry 1 \(EUR\): holds what is not known here: Rate$/,
  ],
  'a field twice': [
    changed('<Value>', '<Value>1</Value><Value>'),
    /entry 1 \(EUR\): Value must be a text, not a list$/,
  ],
  'a field within a field': [
    changed('127,2343', '<b>1</b>'),
    /entry 1 \(EUR\): Value must be a text, not an object with fields$/,
  ],
  'text for an entry': [
    changed(/<Valute .*<\/Valute>/, '<Valute>x</Valute>'),
    /entry 1: must be an object with fields, not a text$/,
  ],
  'no day': [changed(' Date="15.03.2022"', ''), /ValCurs\.Date is missing$/],
  'a field of the list that is not known': [
    changed('</ValCurs>', '<Metall/></ValCurs>'),
    /it is no list of rates: ValCurs holds what is not known here: Metall$/,
  ],
  'the rouble, and not as one': [
    withEntry(['RUB', 1, 'x', '2,0']),
    /entry 2 \(RUB\): Value must be the Nominal: rates are in roubles$/,
  ],
  'a status of failure': [(_request, response) => void response.writeHead(500).end(), /answered 500/],
  'another origin': [
    (_request, response) => void response.writeHead(302, { Location: 'http://127.0.0.2:9/' }).end(),
    /another origin/,
  ],
};

test('a file that is bad in any way fails the run, says how, and changes nothing', async t => {
  const rates = await startRates(t);
  await rates.startWorker();
  rates.source.answer(xml(bankXml('14.03.2022', [['EUR', 1, 'Евро', '1,0']])));
  await rates.run();
  await rates.staged();
  for (const [what, [answer, error]] of Object.entries(BAD)) {
    rates.source.answer(answer);
    const run = await rates.run();
    t.is(run.status, 'failed', what);
    t.regex(run.error ?? '', error, what);
    t.notRegex(run.error ?? '', /Invalid input|Unrecognized|received|undefined/, what);
    t.true((run.error ?? '').length < 500, what);
    t.like(run, { created: 0, updated: 0, unchanged: 0 }, what);
  }
  t.deepEqual(await rates.staged(), []);
  t.deepEqual(await stored(rates), ['EUR 1 1 2022-03-14 cbr 1 Евро']);
});

test('the first start of all makes a run, unless the schedule is off', async t => {
  const rates = await startRates(t);
  rates.source.answer(xml(bankXml('15.03.2022', [good])));
  await (await rates.startWorker({ cron: undefined })).stop();
  t.is((await rates.psql.query('SELECT FROM runs')).rowCount, 0);
  await rates.startWorker({ cron: '0 0 1 1 *' });
  const [first] = await until(
    async () => (await rates.psql.query('SELECT id FROM runs')).rows,
    rows => rows.length > 0,
  );
  t.like(await rates.ended(first.id), { status: 'succeeded', created: 1 });
});

test('a run is one transaction, and waits for who is changing a currency', async t => {
  const rates = await startRates(t);
  await rates.startWorker();
  rates.source.answer(xml(bankXml('14.03.2022', MARCH)));
  await rates.run();
  await rates.staged();
  rates.source.answer(xml(bankXml('15.03.2022', MARCH)));
  const holder = await rates.database.psql();
  await holder.query(`BEGIN; UPDATE currencies SET name = 'mine' WHERE currency = 'USD'`);
  const asked = await rates.ask();
  const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  await until(async () => (await rates.psql.query(waiting)).rowCount);
  await holder.query('COMMIT');
  t.like(await rates.ended(asked.id), { status: 'succeeded', updated: 5 });
  const transactions = await rates.psql.query(
    `SELECT FROM feed.staged WHERE topic = 'currencies' AND type = 'currency_updated' AND origin = 'generator' GROUP BY xid`,
  );
  t.is(transactions.rowCount, 1);
  t.deepEqual((await rates.psql.query('SELECT * FROM feed.verify()')).rows, []);
});
