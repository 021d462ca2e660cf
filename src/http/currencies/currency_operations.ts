// REST for currencies: what they have of what resources may have, their rates day by day, and conversion.
import type { Context } from 'koa';
import { z } from 'zod';
import { code, decimal } from '../../parsing/rate.ts';
import type { DatabasePool } from '../../postgres/pool.ts';
import { convertCurrency, currencies, hasRates, listRates, readCode } from '../../queries/currencies.ts';
import { type Operation, operation } from '../../web/operation.ts';
import { parameter } from '../../web/query.ts';
import { UUID } from '../input/fields.ts';
import { badParameter } from '../input/input.ts';
import { PAGE_HEADERS, pageOf, pageParameters, readCursor, sendPage } from '../input/paging.ts';
import { type Lanes, notFound, type RestResource, referenceTo } from '../resources/resource.ts';
import { createResourceOperations } from '../resources/resource_operations.ts';
import { ConvertedAmount, Currency, CurrencyPatch, day, NewCurrency, Rate } from './currency_fields.ts';

const RESOURCE: RestResource = {
  resource: currencies,
  scopes: { read: 'currencies:read', write: 'currencies:write' },
  Entity: Currency,
  New: NewCurrency,
  Patch: CurrencyPatch,
  hasHistory: true,
  hasPast: true,
};
const TAG = currencies.topic;

/** /currencies, with everything below it but the runs of the rates job. */
export function createCurrencyOperations(at: { pool: DatabasePool; lanes?: Lanes }): Operation[] {
  return [conversionOf(at.pool), ratesOf(at.pool), ...createResourceOperations(RESOURCE, at)];
}

// As people type it into an address; what is stored has capitals.
const codeInAnyCase = z
  .string()
  .transform(text => text.toUpperCase())
  .pipe(code)
  .meta({ pattern: '^[A-Za-z]{3}$' });

const Conversion = z.strictObject({
  from: parameter(codeInAnyCase).meta({ description: 'The currency of the amount.' }),
  to: parameter(codeInAnyCase).meta({ description: 'The currency that it is wanted in.' }),
  amount: parameter(decimal, { default: '1' })
    .default('1')
    .meta({ description: 'How much of it.', default: '1' }),
});

function conversionOf(pool: DatabasePool): Operation {
  return operation({
    id: 'convert_currency',
    method: 'get',
    path: '/currencies/convert',
    summary: 'Converts an amount by the present rates, through the rouble.',
    tag: TAG,
    access: ['currencies:read'],
    query: Conversion,
    answers: {
      200: { description: 'The amount, and the rates it was converted by.', schema: ConvertedAmount },
    },
    async handle(ctx, { query: { from, to, amount } }) {
      const found = await convertCurrency(pool, { from, to, amount });
      for (const [name, value, rate] of [
        ['from', from, found.from_rate],
        ['to', to, found.to_rate],
      ] as const)
        if (rate === null) throw badParameter(name, `is ${value}, of which there is no rate`);
      sendJson(ctx, {
        from: { currency: from, rate: found.from_rate, rate_date: found.from_date },
        to: { currency: to, rate: found.to_rate, rate_date: found.to_date },
        amount,
        result: found.amount,
      });
    },
  });
}

const RatesQuery = z
  .strictObject({
    ...pageParameters,
    from: parameter(day).optional().meta({ description: 'The first day, not after `to`.' }),
    to: parameter(day).optional().meta({ description: 'The last day, not before `from`.' }),
  })
  .superRefine(({ from, to }, context) => {
    if (from === undefined || to === undefined || from <= to) return;
    context.addIssue({ code: 'custom', path: ['from'], message: 'must not be after to' });
    context.addIssue({ code: 'custom', path: ['to'], message: 'must not be before from' });
  });
const RatesPage = pageOf('RatePage', Rate);
const Keys = z.tuple([z.iso.date()]);

function ratesOf(pool: DatabasePool): Operation {
  return operation({
    id: 'list_rates_of_currency',
    method: 'get',
    path: '/currencies/{id}/rates',
    summary: 'Lists what a currency was worth, day by day, oldest first, also after its deletion.',
    tag: TAG,
    access: ['currencies:read'],
    params: referenceTo(currencies),
    query: RatesQuery,
    answers: { 200: { description: 'A page of rates.', schema: RatesPage, headers: PAGE_HEADERS } },
    async handle(ctx, { params, query: { limit, cursor, from, to } }) {
      const after = cursor === undefined ? undefined : readCursor(Keys, cursor)[0];
      const currency = UUID.test(params.id) ? await readCode(pool, params.id) : params.id;
      if (currency === null) throw notFound(currencies, params.id);
      const rows = await listRates(pool, currency, { from, to, after, limit: limit + 1 });
      if (rows.length === 0 && !(await hasRates(pool, currency))) throw notFound(currencies, params.id);
      sendPage(ctx, { rows, limit, keysOf: row => [row.rate_date] });
    },
  });
}

function sendJson(ctx: Context, body: object): void {
  ctx.set('Cache-Control', 'no-cache');
  ctx.type = 'application/json';
  ctx.body = JSON.stringify(body);
}
