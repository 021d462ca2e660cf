// The Bank of Russia's rates of a day: https://www.cbr.ru/development/SXML/. One file for all currencies, in roubles, in
// windows-1251 and with decimal commas. One bad entry spoils it all: half a file would look like a whole one. Files of
// 1992 and 1993 have entries without any code, which can be no currency here: those, of a past day, are left out by name.
import { z } from 'zod';
import { trim } from '../../parsing/trim.ts';
import type { DayOfRates } from '../../queries/rates.ts';
import { readFound, reasonOf } from '../fetch/fault_words.ts';
import { fetchBytes, publicUrl, type RetryPolicy } from '../fetch/fetch_bytes.ts';
import { SourceError } from '../fetch/source_error.ts';
import { parseXml } from './xml.ts';

/** What `currencies.source` calls it. */
export const BANK_OF_RUSSIA = 'cbr';

const HEADERS = { accept: 'application/xml, text/xml' };
// The bank sets a rate for the next working day. One far ahead would keep all that come before it out of the table.
const FARTHEST_AHEAD = 31 * 24 * 60 * 60_000; // ms

/** A file of the bank, and the names of the entries of a past day that have no code. */
interface BankFile extends DayOfRates {
  leftOut: readonly string[];
}

/** The rates of a past day (YYYY-MM-DD), or the newest there are. Throws a SourceError, or the signal's reason. */
export async function fetchRates(
  { url, day }: { url: string; day?: string },
  patience: RetryPolicy,
): Promise<BankFile> {
  const address = day === undefined ? url : addressOf(url, day);
  const { body, headers } = await fetchBytes(address, { headers: HEADERS }, patience);
  try {
    const document = parseXml(body ?? Buffer.alloc(0), headers['content-type']);
    return readRates(document, { now: new Date(), mayLeaveOut: day !== undefined });
  } catch (error) {
    throw error instanceof SourceError ? new SourceError(`${publicUrl(url)}: ${error.message}`) : error;
  }
}

// As the bank writes it: date_req=02/03/2002, the day first.
function addressOf(url: string, day: string): string {
  const address = new URL(url);
  const [year, month, date] = day.split('-');
  address.search += `${address.search === '' ? '' : '&'}date_req=${date}/${month}/${year}`;
  return address.href;
}

const CODE = z.string().regex(/^[A-Z]{3}$/, 'must be three letters');

const Entry = z.strictObject({
  '@ID': z.string(),
  NumCode: z.string().regex(/^\d{3}$/, 'must be three digits'),
  CharCode: CODE,
  Nominal: z.string().regex(/^[1-9]\d{0,8}$/, 'must be a whole number greater than 0'),
  Name: z
    .string()
    .transform(trim)
    .refine(name => name !== '' && [...name].length <= 200, 'must have 1 to 200 characters')
    .refine(name => !/[\p{Cc}\uFFFD]|&#?\w+;/u.test(name), 'holds what is no character of a name'),
  Value: z
    .string()
    .regex(/^\d{1,12}(,\d{1,10})?$/, 'must be a number such as 83,5173')
    .refine(value => /[1-9]/.test(value), 'must be greater than 0'),
  VunitRate: z.string().optional(), // what Value / Nominal is, rounded
});

const Valute = Entry.refine(
  ({ CharCode, Nominal, Value }) => CharCode !== 'RUB' || Number(Value.replace(',', '.')) === Number(Nominal),
  {
    path: ['Value'],
    error: 'must be the Nominal: rates are in roubles',
  },
);

const ValCurs = z.strictObject(
  {
    '@Date': z.string().transform(toDay),
    '@name': z.string().optional(),
    Valute: z
      .unknown()
      .transform(found => [found ?? []].flat())
      .refine(found => found.length > 0, 'must be there at least once'),
  },
  { error: issue => (issue.code === 'invalid_type' ? 'must be its root' : undefined) },
);
const List = z.object({ ValCurs });

// An entry that names no currency by a code; either of both codes alone is a fault.
const Codeless = Entry.extend({ NumCode: z.literal('').optional(), CharCode: z.literal('').optional() });

/** The rates in a document. Throws a SourceError that names the entry. */
function readRates(document: unknown, { now, mayLeaveOut }: { now: Date; mayLeaveOut: boolean }): BankFile {
  const list = readFound(List, document);
  if (!list.success) throw new SourceError(`it is no list of rates: ${reasonOf(list.error)}`);
  const { '@Date': day, Valute: found } = list.data.ValCurs;
  if (Date.parse(day) > now.getTime() + FARTHEST_AHEAD)
    throw new SourceError(`its date is ${day}, far ahead`);
  const leftOut = mayLeaveOut ? found.map(readCodeless) : [];
  const entries = found.flatMap((each, index) => (leftOut[index] === undefined ? toEntry(each, index) : []));
  const codes = entries.map(({ currency }) => currency);
  const twice = codes.find((code, index) => codes.indexOf(code) !== index);
  if (twice !== undefined) throw new SourceError(`${twice} stands in it twice`);
  return { day, entries, leftOut: leftOut.filter(name => name !== undefined) };
}

// Its name, if it is an entry without a code.
function readCodeless(found: unknown): string | undefined {
  return Codeless.safeParse(found).data?.Name;
}

function toEntry(found: unknown, index: number): DayOfRates['entries'][number] {
  const entry = readFound(Valute, found);
  if (!entry.success) {
    const code = z.object({ CharCode: CODE }).safeParse(found);
    const which = `entry ${index + 1}${code.success ? ` (${code.data.CharCode})` : ''}`;
    throw new SourceError(`${which}: ${reasonOf(entry.error)}`);
  }
  const { CharCode, Name, Nominal, Value } = entry.data;
  return { currency: CharCode, name: Name, nominal: Number(Nominal), value: Value.replace(',', '.') };
}

function toDay(text: string, context: z.RefinementCtx): string {
  const [, date, month, year] = /^(\d\d)\.(\d\d)\.(\d{4})$/.exec(text) ?? [];
  const day = `${year}-${month}-${date}`;
  if (!z.iso.date().safeParse(day).success) {
    context.addIssue({ code: 'custom', message: 'must be a date such as 15.03.2022' });
  }
  return day;
}
