// White space as the database trims it off titles and names: Unicode's White_Space and U+FEFF, as
// sql/shared/trimmed.sql has them. String.trim() leaves U+0085.

const WHITE_SPACE = new Set(
  ' \t\n\v\f\r\u0085\u00A0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200A' +
    '\u2028\u2029\u202F\u205F\u3000\uFEFF',
);

/** The text without the white space around it. */
export function trim(value: string): string {
  // Not a regular expression: matching `[…]+$` in a megabyte of spaces before a letter takes its square in steps.
  let start = 0;
  let end = value.length;
  while (start < end && WHITE_SPACE.has(value.charAt(start))) start++;
  while (end > start && WHITE_SPACE.has(value.charAt(end - 1))) end--;
  return value.slice(start, end);
}
