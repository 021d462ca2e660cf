// What a client may write of a currency, and what it reads. The database has the same rules, and the last word.
import { z } from 'zod';
import { CURRENCY_CODE, code, rate } from '../../parsing/rate.ts';
import { time } from '../../parsing/timestamp.ts';
import { object, readOnly, trimmedText } from '../input/fields.ts';

/** A day of the calendar, YYYY-MM-DD. */
export const day = z.iso
  .date('must be a day such as 2026-11-23')
  .refine(text => text >= '0001', 'must be in the years 0001 to 9999');

const name = trimmedText({ from: 1, to: 200 });
const nominal = z
  .int({ error: 'must be a whole number' })
  .min(1, 'must be greater than 0')
  .max(2_147_483_647, 'must be at most 2147483647');

const madeByTheService = { id: readOnly, version: readOnly, timestamp: readOnly, source: readOnly };

/** The body of POST: what is left out is made by the database. */
export const NewCurrency = object({
  currency: code,
  rate,
  name: name.optional(),
  nominal: nominal.optional(),
  rate_date: day.optional(),
  ...madeByTheService,
}).meta({
  id: 'NewCurrency',
  description:
    'A currency to be made; `currency` and `rate` are required. Else `name` is the code, `nominal` 1, `rate_date` today.',
});

/** The body of PATCH, a merge patch (RFC 7396). A rate that a person gives is no longer its source's. */
export const CurrencyPatch = object({
  rate: rate.optional(),
  name: name.optional(),
  nominal: nominal.optional(),
  rate_date: day.optional(),
  ...madeByTheService,
  currency: z.never({ error: 'never changes' }).optional(),
})
  .transform(changes => (changes.rate === undefined ? changes : { ...changes, source: null }))
  .meta({ id: 'CurrencyPatch', description: 'What is to change of a currency; what is missing stays.' });

const rateText = z.string().meta({ description: 'Roubles for one unit, an exact decimal.' });

/** A currency as feed.render() writes it. */
export const Currency = z
  .object({
    id: z.uuid(),
    currency: z.string().regex(CURRENCY_CODE),
    name: z.string(),
    nominal: z.int().meta({ description: 'How many units the bank quotes.' }),
    rate: rateText,
    rate_date: z.iso.date().meta({ description: 'The day that the rate is of.' }),
    source: z.string().nullable().meta({ description: 'Where the rate is from; null for a person.' }),
    timestamp: time.meta({ description: 'When the rate last changed.' }),
    version: z.int().meta({ description: 'One more with every change.' }),
  })
  .meta({
    id: 'Currency',
    description: 'A currency and what it is worth.',
    example: {
      id: '0198c0de-5c1f-7a30-8f1e-3b5c6d7e8f90',
      currency: 'AUD',
      name: 'Австралийский доллар',
      nominal: 1,
      rate: '83.5173',
      rate_date: '2022-03-15',
      source: 'cbr',
      timestamp: '2022-03-14T12:00:00.123456Z',
      version: 1,
    },
  });

/** What a currency was worth on a day. */
export const Rate = z
  .object({ rate_date: z.iso.date(), rate: rateText, nominal: z.int() })
  .meta({ id: 'Rate', description: 'What a currency was worth on a day.' });

const Side = z.object({
  currency: z.string(),
  rate: rateText,
  rate_date: z.iso.date().nullable().meta({ description: 'Of the rouble, that of the other currency.' }),
});

/** The answer of /currencies/convert. */
export const ConvertedAmount = z
  .object({
    from: Side,
    to: Side,
    amount: z.string().meta({ description: 'What was to be converted.' }),
    result: z.string().meta({ description: 'amount × from.rate / to.rate, rounded half up to 20 decimals.' }),
  })
  .meta({ id: 'ConvertedAmount', description: 'An amount in another currency.' });
