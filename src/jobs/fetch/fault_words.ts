// What is wrong with what a source has sent, in a person's words: the place in its answer and the rule that it breaks.
import type { z } from 'zod';

const MOST_FAULTS = 3;
const LONGEST = 60; // characters of a name that the source has chosen

const KINDS: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object with fields',
};

/** Reads what a source has sent. Where the schema has no words of its own, a fault has ours and not the library's. */
export function readFound<Schema extends z.ZodType>(schema: Schema, found: unknown) {
  return schema.safeParse(found, { error: wordsFor });
}

/** What is wrong, in words: "title must be a text, not a number; status …", the first few faults. */
export function reasonOf({ issues }: z.ZodError): string {
  const faults = issues
    .slice(0, MOST_FAULTS)
    .map(({ path, message }) => `${placeOf(path)} ${message}`.trim());
  return [...faults, ...(issues.length > MOST_FAULTS ? ['…'] : [])].join('; ');
}

// An attribute of XML is told by an @ that its document does not have.
const placeOf = (path: readonly PropertyKey[]) => path.join('.').replaceAll('@', '');

function wordsFor(issue: z.core.$ZodRawIssue): string {
  if (issue.code === 'unrecognized_keys')
    return `holds what is not known here: ${shorten(issue.keys.join(', '))}`;
  if (issue.input === undefined) return 'is missing';
  if (issue.code === 'invalid_type')
    return `must be ${KINDS[issue.expected] ?? issue.expected}, not ${kindOf(issue.input)}`;
  if (issue.code === 'invalid_value')
    return `must be ${issue.values.map(value => JSON.stringify(value)).join(' or ')}`;
  return 'is not what it must be';
}

function kindOf(input: unknown): string {
  if (input === null) return 'null';
  if (Array.isArray(input)) return 'a list';
  if (typeof input === 'boolean') return String(input);
  if (typeof input === 'number' && !Number.isInteger(input)) return 'a number with a fraction';
  return KINDS[typeof input] ?? typeof input;
}

function shorten(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}
