// Words of others' making are one line of bounded length.
import test from 'ava';
import fc from 'fast-check';
import { storableText } from '../../src/parsing/storable_text.ts';

test('control characters, line breaks and turns of direction become spaces', t => {
  t.is(storableText('\u001b[31mno\u0000\r\nmore\u2028\u0085\u202E\u2066!', 100), '[31mno more !');
  t.is(storableText('Доступ закрыт 🙂\u00A0!', 100), 'Доступ закрыт 🙂\u00A0!');
});

test('what is too long is cut between characters, which is told', t => {
  t.is(storableText('🙂🙂🙂', 3), '🙂🙂🙂');
  t.is(storableText('🙂🙂🙂🙂', 3), '🙂🙂…');
  t.is(storableText('x\uD83D', 5), 'x\uFFFD');
});

test('whatever comes, it can be stored, and done to it again it stays', t => {
  const unit = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('\0', '\uD800', '\uDC00', '\u001b', ' '),
  );
  fc.assert(
    fc.property(fc.array(unit), fc.integer({ min: 1, max: 20 }), (parts, most) => {
      const text = storableText(parts.join(''), most);
      return (
        text.isWellFormed() &&
        [...text].length <= most &&
        !/\p{Cc}/u.test(text) &&
        storableText(text, most) === text
      );
    }),
  );
  t.pass();
});
