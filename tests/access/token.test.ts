// Tokens as text.
import test from 'ava';
import { createToken, hashOf, readTokenId } from '../../src/access/token.ts';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

test('a token is twk_, eight characters of id, _, and thirty-eight more, and no two are alike', t => {
  const tokens = Array.from({ length: 500 }, createToken);
  for (const { text, id, hash } of tokens) {
    t.regex(text, /^twk_[0-9A-Za-z]{8}_[0-9A-Za-z]{38}$/);
    t.is(text.slice(4, 12), id);
    t.is(readTokenId(text), id);
    t.is(hash.toString('hex'), hashOf(text).toString('hex'));
  }
  t.is(new Set(tokens.map(({ id }) => id)).size, 500);
  t.is(new Set(tokens.flatMap(({ text }) => [...text.slice(13, 45)])).size, ALPHABET.length);
});

test('a token of which one character is another, or two have changed places, or one is missing, is known to be none', t => {
  const { text } = createToken();
  for (let place = 0; place < text.length; place++) {
    for (const character of ALPHABET) {
      if (character === text[place]) continue;
      t.is(readTokenId(text.slice(0, place) + character + text.slice(place + 1)), undefined);
    }
    const [one, other] = [text[place] ?? '', text[place + 1] ?? ''];
    if (one !== other && other)
      t.is(readTokenId(text.slice(0, place) + other + one + text.slice(place + 2)), undefined);
    t.is(readTokenId(text.slice(0, place) + text.slice(place + 1)), undefined);
  }
});

test('the checksum is the CRC-32 of RFC 1952, in six digits of base 62, so that others can compute it', t => {
  // By another implementation: 1806302821.
  t.is(readTokenId('twk_Example1_abcdefghijklmnopqrstuvwxyz0123451yF3sT'), 'Example1');
});
