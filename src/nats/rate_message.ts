// What other services tell about a currency's rate: the message, checked once.
import { z } from 'zod';
import { findDuplicateKey } from '../parsing/duplicate_keys.ts';
import { parseExactly } from '../parsing/exact_json.ts';
import { code, type RateMessage, rate } from '../parsing/rate.ts';
import { timestamp } from '../parsing/timestamp.ts';
import { trim } from '../parsing/trim.ts';

/** The message, or all that is wrong with it in one sentence. */
type RateReading = { message: RateMessage } | { fault: string };

const DAY = 24 * 60 * 60 * 1_000; // ms
const MOST_FAULTS = 5;

const Message = z.strictObject({
  currency: code,
  rate,
  timestamp: z
    .string({ error: issue => (issue.input === undefined ? 'is required' : 'must be a time in RFC 3339') })
    .pipe(timestamp)
    // From then on every other message would be an older one.
    .refine(text => Date.parse(text) < Date.now() + DAY, 'must not be more than a day in the future'),
  name: z
    .string({ error: 'must be a string' })
    .transform(trim)
    .refine(text => !text.includes('\0') && text.isWellFormed(), 'must be text')
    .refine(text => text.length > 0 && [...text].length <= 200, 'must have 1 to 200 characters')
    .optional(),
});

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Reads the bytes of a message. Fields beyond those it knows are faults: what was meant by them would be lost. */
export function readRateMessage(payload: Uint8Array): RateReading {
  const parsed = parse(payload);
  if (parsed === undefined) return { fault: 'it is not JSON' };
  const duplicate = findDuplicateKey(Buffer.from(payload));
  if (duplicate !== undefined) return { fault: `${duplicate} stands twice` };
  const result = Message.safeParse(parsed);
  if (!result.success) return { fault: result.error.issues.slice(0, MOST_FAULTS).map(toSentence).join('; ') };
  const { name, ...rest } = result.data;
  return { message: { ...rest, name } };
}

function parse(payload: Uint8Array): unknown {
  try {
    return parseExactly(utf8.decode(payload));
  } catch {
    return undefined;
  }
}

function toSentence(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys')
    return `${issue.keys.slice(0, MOST_FAULTS).join(', ')} is not known here`;
  return issue.path.length === 0 ? 'it must be a JSON object' : `${issue.path.join('.')} ${issue.message}`;
}
