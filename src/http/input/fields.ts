// The kinds of fields that bodies are made of, with the rules and words that the database's own checks have.
import { z } from 'zod';
import { trim } from '../../parsing/trim.ts';

/** How an id is written. */
export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** An object with these fields and no others. */
export function object<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.strictObject(shape, {
    error: issue => (issue.code === 'invalid_type' ? 'must be a JSON object' : undefined),
  });
}

/** A field that only the service writes. */
export const readOnly = z
  .never({ error: 'is read-only: the service sets it' })
  .optional()
  .meta({ description: 'Set by the service; refused here.' });

/** The id of an entity in a path; what is none is told there is no such entity. */
export function idOf(entity: string) {
  return z
    .string()
    .regex(UUID, { error: ({ input }) => `there is no ${entity} ${input}` })
    .meta({ pattern: undefined, format: 'uuid' });
}

/** A string of so many characters, that is code points. */
export function text(length: Length) {
  return string().superRefine(within(length)).meta(described(length));
}

/** A string without the white space around it, of so many characters after that. */
export function trimmedText(length: Length) {
  return string().transform(trim).superRefine(within(length)).meta(described(length));
}

/** One of a few words. */
export function oneOf<const Words extends readonly [string, ...string[]]>(words: Words) {
  const rule = `must be ${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
  const shown = (input: unknown) => typeof input === 'string' && input.length <= 50;
  return z.enum(words, {
    error: ({ input }) => (shown(input) ? `${rule}, not ${JSON.stringify(input)}` : rule),
  });
}

/** At most so many strings, no two the same. */
export function distinctTexts({ most, of }: { most: number; of: z.ZodType<string, string> }) {
  return z
    .array(of, { error: 'must be a list of strings' })
    .max(most, { error: `must be at most ${most}` })
    .refine(list => new Set(list).size === list.length, { error: 'must be distinct strings' })
    .meta({ uniqueItems: true });
}

interface Length {
  from?: number;
  to: number;
}

function within({ from = 0, to }: Length) {
  return (value: string, context: z.RefinementCtx<string>) => {
    const violation = faultOfCharacters(value) ?? faultOfLength(value, from, to);
    if (violation) context.addIssue({ code: 'custom', message: `must ${violation}` });
  };
}

function described({ from = 0, to }: Length) {
  return { ...(from > 0 && { minLength: from }), maxLength: to };
}

function string() {
  return z.string({ error: issue => (issue.input === undefined ? 'is required' : 'must be a string') });
}

function faultOfCharacters(value: string): string | undefined {
  if (value.includes('\0')) return 'not contain U+0000';
  if (!value.isWellFormed()) return 'not contain half a surrogate pair';
  return undefined;
}

function faultOfLength(value: string, from: number, to: number): string | undefined {
  // Code points are at most the UTF-16 units and at least half of them.
  const length = value.length > 2 * to ? value.length : [...value].length;
  if (length >= from && length <= to) return undefined;
  const most = to.toLocaleString('en-US');
  return from === 0 ? `have at most ${most} characters` : `have ${from} to ${most} characters`;
}
