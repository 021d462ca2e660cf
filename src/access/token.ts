// A token as text: `twk_`, 8 characters of id, `_`, 32 of secret and 6 of a CRC32 over all before. By the checksum a token
// that was mistyped, or cut off while it was copied, is told from one that is not known; and programs that look for
// secrets in what people publish know it for one.
import { createHash, randomInt } from 'node:crypto';
import { crc32 } from 'node:zlib';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const ID_LENGTH = 8;
const SECRET_LENGTH = 32; // 190 bits
const CHECKSUM_LENGTH = 6;
const FORM = /^twk_([0-9A-Za-z]{8})_[0-9A-Za-z]{38}$/;

/** A token that was just made; the text is never to be had again. */
export interface NewToken {
  text: string;
  id: string;
  hash: Buffer;
}

/** A new token, from the operating system's random numbers. */
export function createToken(): NewToken {
  const id = randomText(ID_LENGTH);
  const unchecked = `twk_${id}_${randomText(SECRET_LENGTH)}`;
  const text = `${unchecked}${checksumOf(unchecked)}`;
  return { text, id, hash: hashOf(text) };
}

/** The id in a token; undefined for a text that cannot be one. */
export function readTokenId(text: string): string | undefined {
  const [, id] = FORM.exec(text) ?? [];
  return checksumOf(text.slice(0, -CHECKSUM_LENGTH)) === text.slice(-CHECKSUM_LENGTH) ? id : undefined;
}

/** What is kept of a token. It has 190 random bits, so nothing slower than SHA-256 is called for. */
export function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function randomText(length: number): string {
  return Array.from({ length }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
}

// 62 to the power of 6 is more than 2 to that of 32.
function checksumOf(text: string): string {
  let rest = crc32(text);
  let digits = '';
  for (let place = 0; place < CHECKSUM_LENGTH; place++) {
    digits = `${ALPHABET[rest % ALPHABET.length]}${digits}`;
    rest = Math.floor(rest / ALPHABET.length);
  }
  return digits;
}
