// Words of others' making, such as a source's or a client's, as they may be stored and shown: one line, of bounded length.

// Control characters, which PostgreSQL (U+0000), terminals and logs act on; line breaks; and what turns the direction of
// the text after it around.
const UNFIT = /[\p{Cc}\p{Zl}\p{Zp}\u202A-\u202E\u2066-\u2069]+/gu;

/**
 * The text on one line: control characters become spaces, half a surrogate pair U+FFFD, and what exceeds `most`
 * characters is cut off, which an ellipsis tells.
 */
export function storableText(text: string, most: number): string {
  // Cut first, so that the work is bounded, too: a character is at most two code units.
  const start = text.slice(0, 2 * most + 2).toWellFormed();
  const characters = [...start.replaceAll(UNFIT, ' ').trim()];
  return characters.length > most ? `${characters.slice(0, most - 1).join('')}…` : characters.join('');
}
