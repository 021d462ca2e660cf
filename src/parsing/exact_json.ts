// JSON whose numbers are what was written, or none.

const LONG_NUMBER = /[\d.]{16}/;
const MOST_DIGITS = 15; // that a double keeps, whatever they are

// A number that JavaScript cannot hold as it was written. It is no number, nor anything else, to any schema.
const INEXACT = Symbol('inexact number');

/** Parses a text, giving a symbol for each number that is longer than a double keeps. Throws a SyntaxError. */
export function parseExactly(text: string): unknown {
  return LONG_NUMBER.test(text) ? JSON.parse(text, keepExact) : JSON.parse(text);
}

function keepExact(_name: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== 'number' || context?.source === undefined) return value;
  const digits = context.source.replace(/e.*$/i, '').replaceAll(/\D/g, '').replace(/^0+/, '');
  return digits.length > MOST_DIGITS ? INEXACT : value;
}
