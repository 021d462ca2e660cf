// A Link header is read in every form that RFC 8288 allows, and one that is none is told from one without links.
import test from 'ava';
import fc from 'fast-check';
import { hasRelation, parseLinks } from '../../src/parsing/link_header.ts';

/** The targets of the links with the relation next. */
const next = (header: string) =>
  parseLinks(header)
    ?.filter(link => hasRelation(link, 'next'))
    .map(({ target }) => target);

const FORMS: Record<string, string> = {
  'as GitHub writes it': '<https://a.example/?page=1>; rel="first", </2>; rel="next", </9>; rel="last"',
  'without quotes': '</2>;rel=next',
  'white space around everything': ' \t</2> \t;\trel \t= \t"next"\t , </9> ; rel = last ',
  'a relation among others': '</2>; rel="last https://a.example/rel  NEXT"',
  'in other case': '</2>; REL=Next',
  'signs in another parameter': '</2>; title="<x>; rel=\\"last\\", </3>; rel=next"; rel="next"',
  'rel in the name or value of another': '</1>; xrel=next; title="; rel=next", </2>; rel=next',
  'a comma and a semicolon in the target': '</2>; rel=next, </a,b;rel=next>; rel=prev',
  'the first rel alone counts': '</1>; rel=prev; rel=next, </2>; rel=next; rel=prev',
  'a parameter without a value': '</2>; crossorigin; rel=next',
  'an escaped relation': '</2>; rel="n\\ext"',
  'empty elements and parameters': ', , </2>;; rel=next; ,',
  'an extended parameter': "</2>; title*=UTF-8''n%c3%a4chstes; rel=next",
};

for (const [form, header] of Object.entries(FORMS))
  test(`the next page is found: ${form}`, t => t.deepEqual(next(header), ['/2']));

for (const header of [
  '/2; rel=next',
  '</2; rel=next',
  '</2> rel=next',
  '</2>; rel="next',
  '</1>;rel=x</2>;rel=next',
  'x',
])
  test(`no links: ${header}`, t => t.is(parseLinks(header), undefined));

test('no header has no links', t => t.deepEqual([parseLinks(''), parseLinks(' ')], [[], []]));

const space = fc.stringMatching(/^[ \t]{0,3}$/);
const target = fc.stringMatching(/^[a-z/:?=&,;%"' .]{0,12}$/);
const name = fc.stringMatching(/^[a-zA-Z][\w*-]{0,7}$/);
const value = fc.string({ maxLength: 12, unit: 'grapheme-ascii' });

// Writes a parameter as one may write it: in quotes, with what must be escaped and some of what may be; or bare.
const parameter = fc
  .record({
    name,
    value,
    bare: fc.boolean(),
    escaping: fc.boolean(),
    spaces: fc.tuple(space, space, space, space),
  })
  .map(({ name, value, bare, escaping, spaces: [a, b, c, d] }) => {
    const quoted = value.replaceAll(escaping ? /[^\w]|a/g : /["\\]/g, '\\$&');
    const text = bare && /^[\w-]+$/.test(value) ? value : `"${quoted}"`;
    return { name: name.toLowerCase(), value, text: `${a};${b}${name}${c}=${d}${text}` };
  });

const link = fc
  .record({ target, parameters: fc.array(parameter, { maxLength: 4 }) })
  .map(({ target, parameters }) => ({
    target,
    parameters: new Map(parameters.map(({ name, value }) => [name, value] as const).reverse()), // the first counts
    text: `<${target}>${parameters.map(({ text }) => text).join('')}`,
  }));

test('whatever links are written, they are read', t => {
  fc.assert(
    fc.property(fc.array(link, { maxLength: 5 }), space, space, (links, before, after) => {
      const header = links.map(({ text }) => text).join(`${before},${after}`);
      t.deepEqual(
        parseLinks(header)?.map(({ target, parameters }) => [target, Object.fromEntries(parameters)]),
        links.map(({ target, parameters }) => [target, Object.fromEntries(parameters)]),
        header,
      );
    }),
    { numRuns: 500 },
  );
});

test('whatever a server sends, it is read to its end or refused', t => {
  const piece = fc.oneof(
    fc.constantFrom('<', '>', ';', ',', '"', '\\', '=', ' ', 'rel', 'next'),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.array(piece), pieces => {
      const links = parseLinks(pieces.join(''));
      return links === undefined || links.length <= pieces.join('').split('<').length;
    }),
    { numRuns: 2_000 },
  );
  t.pass();
});
