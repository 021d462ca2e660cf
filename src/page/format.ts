// Numbers, times and counts as people of the page's language write them.
import { chooseLanguage, fill, type Words, wordsOf } from './words.ts';

type Plural = Partial<Record<Intl.LDMLPluralRule, string>> & { other: string };

/** The language: its texts, and how it writes numbers and times. */
export interface Speech {
  language: 'en' | 'ru';
  words: Words;
  number(value: number): string;
  /** The form of a text that goes with this number, with it in. */
  count(text: Plural, value: number): string;
  /** A rate or an amount: exact decimals in, a readable one out. */
  decimal(value: string, digits?: number): string;
  /** A rate, with as many decimals as the bank gives, so that points stand under each other; more where it is tiny. */
  rate(value: string): string;
  percent(value: number): string;
  /** Of today only the hour, else the day, too. */
  moment(time: string | number): string;
  /** Of today the hour, else the day. */
  brief(time: string | number): string;
  /** With seconds. */
  clock(time: string | number): string;
  /** Of today the second, else the day, too. */
  second(time: string | number): string;
  /** Day and second. */
  exact(time: string | number): string;
  day(date: string): string;
  longDay(date: string): string;
}

/** Speaks as the browser's owner does. */
export function createSpeech(wanted: readonly string[]): Speech {
  const language = chooseLanguage(wanted);
  const locale = wanted.find(each => each.toLowerCase().startsWith(language)) ?? language;
  const words = wordsOf(language);
  const numbers = new Intl.NumberFormat(locale);
  const plurals = new Intl.PluralRules(locale);
  const percents = new Intl.NumberFormat(locale, {
    style: 'percent',
    minimumFractionDigits: 2,
    maximumFractionDigits: 2,
    signDisplay: 'exceptZero',
  });
  const times = (options: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat(locale, options);
  const hour = times({ hour: '2-digit', minute: '2-digit' });
  const second = times({ hour: '2-digit', minute: '2-digit', second: '2-digit' });
  const dayAndHour = times({ day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
  const dayOfYear = times({ day: 'numeric', month: 'short', year: 'numeric' });
  const all = times({ dateStyle: 'medium', timeStyle: 'medium' });
  const brief = times({ day: 'numeric', month: 'short' });
  const shortDay = times({ day: 'numeric', month: 'short', timeZone: 'UTC' });
  const longDay = times({ dateStyle: 'long', timeZone: 'UTC' });
  const fixed = (digits: number) =>
    new Intl.NumberFormat(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const rates = fixed(4);
  const tinyRates = fixed(6);
  const decimals = new Map<number, Intl.NumberFormat>();
  const decimalOf = (digits: number) => {
    const found =
      decimals.get(digits) ??
      new Intl.NumberFormat(locale, { minimumFractionDigits: 2, maximumFractionDigits: digits });
    decimals.set(digits, found);
    return found;
  };
  return {
    language,
    words,
    number: value => numbers.format(value),
    count: (text, value) => fill(text[plurals.select(value)] ?? text.other, { n: numbers.format(value) }),
    // Intl reads a decimal's text without making a float of it.
    decimal: (value, digits = 4) => decimalOf(digits).format(value as unknown as number),
    rate: value => (Number(value) < 0.1 ? tinyRates : rates).format(value as unknown as number),
    percent: value => percents.format(value),
    moment(time) {
      const date = new Date(time);
      const now = new Date();
      if (date.toDateString() === now.toDateString()) return hour.format(date);
      return (date.getFullYear() === now.getFullYear() ? dayAndHour : dayOfYear).format(date);
    },
    brief(time) {
      const date = new Date(time);
      return (date.toDateString() === new Date().toDateString() ? hour : brief).format(date);
    },
    clock: time => second.format(new Date(time)),
    second(time) {
      const date = new Date(time);
      return (date.toDateString() === new Date().toDateString() ? second : all).format(date);
    },
    exact: time => all.format(new Date(time)),
    day: date => shortDay.format(new Date(`${date}T00:00:00Z`)),
    longDay: date => longDay.format(new Date(`${date}T00:00:00Z`)),
  };
}
