// A currency's code and its rate, as they come in over REST and NATS alike. The database has the same rules.
import { z } from 'zod';

/** How the code of a currency is written, as in ISO 4217. */
export const CURRENCY_CODE = /^[A-Z]{3}$/;

const DECIMAL = /^\d{1,20}(\.\d{1,20})?$/;

/** The code of a currency, as in ISO 4217. */
export const code = z
  .string({ error: issue => (issue.input === undefined ? 'is required' : 'must be a string') })
  .regex(CURRENCY_CODE, 'must be three letters from A to Z');

/** An exact decimal, zero or more, as text. */
export const decimal = z
  .string()
  .regex(DECIMAL, 'must be a decimal such as 83.5173, of at most 20 digits and 20 decimals');

/** A rate as it comes in; exact, because parseExactly() lets no longer number through than a double keeps. */
export const rate = z
  .union([decimal, z.number()], {
    error: issue =>
      issue.input === undefined
        ? 'is required'
        : 'must be a decimal such as "83.5173", or a number of at most 15 significant digits',
  })
  .transform(String)
  .refine(text => Number(text) > 0, 'must be greater than 0');

/** A rate as another service has told it: a decimal text, of the time it is from. */
export interface RateMessage {
  currency: string;
  rate: string;
  timestamp: string;
  name: string | undefined;
}

/** What became of a rate; refused by a rule of the database, with the reason. */
export type Ingested = { outcome: 'created' | 'updated' | 'unchanged' } | { refused: string };

/** A bad message, and which one it is: redelivered, it is the same. */
export interface RejectedMessage {
  subject: string;
  payload: Uint8Array;
  reason: string;
  stream: string;
  sequence: number;
  /** When the stream got it. */
  sentAt: Date;
}
