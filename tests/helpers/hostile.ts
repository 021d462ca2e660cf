// Requests made up from an OpenAPI document: good ones, nearly good ones, and such as nobody means well with.
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import type { Document } from './conformance.ts';

export interface MadeUp {
  method: string;
  target: string;
  headers: [name: string, value: string][];
  body: Buffer | undefined;
}

/** Any request to any operation of the document, or to none. `ids` are those of things that are there now. */
export function requestsTo(document: Document, ids: () => readonly string[]): fc.Arbitrary<MadeUp> {
  const made = createMaker(document, ids);
  const operations = Object.entries<Document>(document.paths).flatMap(([path, item]) =>
    Object.keys(item).map(method => requestOf(made, path, method, item[method])),
  );
  return fc.oneof({ weight: 15, arbitrary: fc.oneof(...operations) }, { weight: 1, arbitrary: STRAY });
}

/** Words that somebody's parser stumbles over. */
const HOSTILE = [
  '__proto__',
  'constructor',
  'toString',
  '',
  ' ',
  '\0',
  'a\0b',
  '\ud800',
  '\u{1f600}'.repeat(60),
  '\u202eabc',
  'ı'.repeat(300),
  "'; DROP TABLE tasks; --",
  '<script>alert(1)</script>',
  '../../etc/passwd',
  '#{7*7}',
  '{{7*7}}',
  '%',
  '%00',
  '%ff',
  '%E0%A4%A',
  '-0',
  '0x10',
  '1e400',
  '-1',
  '9007199254740993',
  '99999999999999999999999999',
  'NaN',
  'Infinity',
  'null',
  'true',
  '[]',
  '{}',
  '2026-02-30T00:00:00Z',
  '0000-01-01T00:00:00Z',
  '10000-01-01T00:00:00Z',
  '2026-01-01T00:00:00+99:99',
  '00000000-0000-0000-0000-000000000000',
  'ffffffff-ffff-ffff-ffff-ffffffffffff',
  'W/"1"',
  '"1", *',
  '"',
  '*',
];
const hostileText = fc.oneof(
  fc.constantFrom(...HOSTILE),
  fc.string({ unit: 'binary', maxLength: 50 }),
  fc.string({ unit: 'grapheme', maxLength: 300 }),
  fc.integer({ min: 1, max: 2_000 }).map(length => 'x'.repeat(length)),
);
const hostileNumber = fc.oneof(
  fc.double(),
  fc.maxSafeInteger(),
  fc.constantFrom(1e308, -1e308, 5e-324, -0, 2 ** 31, 2 ** 63, -1, 0.1),
);
const hostileJson: fc.Arbitrary<unknown> = fc.oneof(
  hostileText,
  hostileNumber,
  fc.constantFrom(null, true, false, [], {}, [[]], [null]),
  fc.jsonValue({ maxDepth: 4 }),
);

// What goes over the wire as it is; what a header or a target cannot carry at all is left out.
const encoded = (text: string) => encodeURIComponent(text.toWellFormed());
const hostileRaw = fc.oneof(
  hostileText.map(encoded),
  fc.constantFrom('%', '%2', '%zz', '%00', '%ff%fe', '%E0%A4%A', '+', ';', '&', '=', '%2f', '%2e%2e', '[0]'),
);
const headerValue = hostileText.map(text => text.replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, '').slice(0, 1_000));
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'PURGE'];

const STRAY: fc.Arbitrary<MadeUp> = fc.record({
  method: fc.constantFrom(...METHODS),
  target: fc.array(hostileRaw, { maxLength: 4 }).map(parts => `/${parts.join('/')}`),
  headers: fc.constant([]),
  body: fc.constant(undefined),
});

type Make = (schema: Document, name?: string) => fc.Arbitrary<unknown>;

function requestOf(make: Make, path: string, method: string, operation: Document): fc.Arbitrary<MadeUp> {
  const parameters: Document[] = operation.parameters.filter((each: Document) => each.in !== undefined);
  const named = (where: string) => parameters.filter(each => each.in === where);
  return fc
    .record({
      method: mostly(fc.constant(method.toUpperCase()), fc.constantFrom(...METHODS), 12),
      path: pathOf(make, path, named('path')),
      query: queryOf(make, named('query')),
      headers: headersOf(make, named('header')),
      sent: operation.requestBody ? bodyOf(make, operation.requestBody.content) : strayBody,
    })
    .map(({ method, path, query, headers, sent }) => ({
      method,
      target: query === '' ? path : `${path}?${query}`,
      headers: [...headers, ...sent.headers],
      body: sent.body,
    }));
}

function mostly<Value>(good: fc.Arbitrary<Value>, bad: fc.Arbitrary<Value>, weight = 6): fc.Arbitrary<Value> {
  return fc.oneof({ weight, arbitrary: good }, { weight: 1, arbitrary: bad });
}

function pathOf(make: Make, path: string, parameters: Document[]): fc.Arbitrary<string> {
  const segments = path.split('/').map(segment => {
    const parameter = parameters.find(({ name }) => segment === `{${name}}`);
    return parameter
      ? mostly(
          make(parameter.schema, parameter.name).map(value => encoded(String(value))),
          hostileRaw,
        )
      : fc.constant(segment);
  });
  return mostly(
    fc.tuple(...segments).map(parts => parts.join('/')),
    fc.tuple(...segments).map(parts => parts.join('/').toUpperCase()),
    40,
  );
}

function queryOf(make: Make, parameters: Document[]): fc.Arbitrary<string> {
  const pairs = parameters.map(({ name, schema, required }) => {
    const values = make(schema, name).map(value => [value].flat().map(each => encoded(String(each))));
    const bad = fc.array(hostileRaw, { minLength: 1, maxLength: 3 });
    const given = mostly(values, bad).map(list => list.map(value => `${name}=${value}`));
    return required
      ? given
      : fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: given });
  });
  const strange = fc.tuple(hostileRaw, hostileRaw).map(([name, value]) => [`${name}=${value}`]);
  return fc
    .tuple(mostly<string[]>(fc.constant([]), strange, 20), ...pairs)
    .map(lists => lists.flat().join('&'));
}

function headersOf(make: Make, parameters: Document[]): fc.Arbitrary<[string, string][]> {
  const own = parameters.map(({ name, schema }) => {
    const good = fc.oneof(make(schema, name).map(String), fc.constantFrom('"1"', '"2"', '*', '1'));
    const value = mostly(
      good.map(text => text.replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, '')),
      headerValue,
      3,
    );
    const once = value.map((text): [string, string][] => [[name, text]]);
    const twice = value.map((text): [string, string][] => [
      [name, text],
      [name, text],
    ]);
    return fc.oneof({ weight: 4, arbitrary: fc.constant<[string, string][]>([]) }, mostly(once, twice));
  });
  const strange = fc
    .tuple(
      fc.constantFrom(
        'X-Request-Id',
        'Accept',
        'Accept-Encoding',
        'Origin',
        'If-Modified-Since',
        'Range',
        'X-HTTP-Method-Override',
        'Cookie',
        'Prefer',
      ),
      headerValue,
    )
    .map((pair): [string, string][] => [pair]);
  return fc.tuple(mostly(fc.constant<[string, string][]>([]), strange, 8), ...own).map(lists => lists.flat());
}

interface Sent {
  headers: [string, string][];
  body: Buffer | undefined;
}

const strayBody = mostly<Sent>(
  fc.constant({ headers: [], body: undefined }),
  hostileJson.map(value => ({ headers: [['Content-Type', 'application/json']], body: bytesOf(value) })),
  20,
);

function bodyOf(make: Make, content: Record<string, Document>): fc.Arbitrary<Sent> {
  const types = Object.keys(content);
  const good = fc.oneof(...Object.values(content).map(({ schema }) => make(schema)));
  const body = fc.oneof(
    { weight: 6, arbitrary: good.map(bytesOf) },
    { weight: 4, arbitrary: spoiled(good).map(bytesOf) },
    { weight: 1, arbitrary: hostileJson.map(bytesOf) },
    { weight: 1, arbitrary: good.map(value => doubleKeys(value)) },
    {
      weight: 1,
      arbitrary: fc
        .integer({ min: 1, max: 20_000 })
        .map(depth => Buffer.from('['.repeat(depth) + ']'.repeat(depth))),
    },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map(bytes => Buffer.from(bytes)) },
    { weight: 1, arbitrary: good.map(value => Buffer.from(JSON.stringify(value) ?? '', 'utf16le')) },
    { weight: 1, arbitrary: good.map(value => bytesOf(value).subarray(0, -1)) },
  );
  const type = mostly(
    fc.constantFrom(...types),
    fc.oneof(
      headerValue,
      fc.constantFrom(
        'text/plain',
        'APPLICATION/JSON',
        'application/json; charset=utf-16',
        'application/json;;',
        'multipart/form-data',
        '',
      ),
    ),
    10,
  );
  const coding = fc.oneof(
    { weight: 20, arbitrary: fc.constant('') },
    { weight: 2, arbitrary: fc.constant('gzip') },
    { weight: 1, arbitrary: fc.constantFrom('br', 'deflate', 'zstd', 'GZIP, gzip', 'x') },
  );
  return fc.record({ body, type, coding }).map(({ body, type, coding }) => ({
    headers: [
      ['Content-Type', type],
      ...(coding === '' ? [] : [['Content-Encoding', coding] as [string, string]]),
    ],
    body: coding === 'gzip' ? gzipSync(body) : body,
  }));
}

// A good body of which one thing, at any depth, is not what it should be.
function spoiled(good: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const key = fc.oneof(fc.constantFrom('__proto__', 'constructor', 'id', 'version', 'title'), hostileText);
  return fc.tuple(good, fc.nat(), key, hostileJson, fc.boolean()).map(([value, at, key, bad, adds]) => {
    const places = placesIn(value);
    const place = places[at % places.length];
    if (!place) return bad;
    const copy = structuredClone(value);
    let parent = copy as Record<string, unknown>;
    for (const step of place.slice(0, -1)) parent = parent[step] as Record<string, unknown>;
    const name = adds && !Array.isArray(parent) ? key : (place.at(-1) ?? key);
    Object.defineProperty(parent, name, { value: bad, enumerable: true, configurable: true, writable: true });
    return copy;
  });
}

function placesIn(value: unknown, path: string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, each]) => [[...path, key], ...placesIn(each, [...path, key])]);
}

function doubleKeys(value: unknown): Buffer {
  const text = JSON.stringify(value) ?? 'null';
  return Buffer.from(text.startsWith('{"') ? `${text.slice(0, -1)},${text.slice(1)}` : text);
}

function bytesOf(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value) ?? 'null');
}

// Values that a schema describes.
function createMaker(document: Document, ids: () => readonly string[]): Make {
  const id = fc
    .nat()
    .map(at => ids()[at % Math.max(1, ids().length)] ?? '00000000-0000-7000-8000-000000000000');

  function make(schema: Document, name?: string): fc.Arbitrary<unknown> {
    if (schema.$ref) return make(document.components.schemas[schema.$ref.split('/').pop()], name);
    if (schema.const !== undefined) return fc.constant(schema.const);
    if (schema.enum) return fc.constantFrom(...schema.enum);
    const some = schema.anyOf ?? schema.oneOf;
    if (some) return fc.oneof(...some.map((each: Document) => make({ type: schema.type, ...each }, name)));
    if (Array.isArray(schema.type))
      return fc.oneof(...schema.type.map((type: string) => make({ ...schema, type }, name)));
    if (name === 'id') return fc.oneof({ weight: 9, arbitrary: id }, { weight: 1, arbitrary: fc.uuid() });
    return ofType(schema, name);
  }

  function ofType(schema: Document, name?: string): fc.Arbitrary<unknown> {
    switch (schema.type) {
      case 'string':
        return textOf(schema);
      case 'integer':
        // Nobody here has the patience for more than a second.
        return fc.integer({ min: schema.minimum ?? 0, max: name === 'wait' ? 1 : (schema.maximum ?? 1_000) });
      case 'number':
        return fc.double({ min: schema.minimum ?? -1e9, max: schema.maximum ?? 1e9, noNaN: true });
      case 'boolean':
        return fc.boolean();
      case 'null':
        return fc.constant(null);
      case 'array':
        return listOf(schema, name);
      case 'object':
        return objectOf(schema);
      default:
        return fc.jsonValue();
    }
  }

  function textOf({ format, pattern, minLength = 0, maxLength = 40 }: Document): fc.Arbitrary<string> {
    if (format === 'uuid') return fc.oneof(id, fc.uuid());
    if (format === 'date-time') return aDate.map(date => date.toISOString());
    if (format === 'date') return aDate.map(date => date.toISOString().slice(0, 10));
    if (pattern) return fc.stringMatching(new RegExp(pattern));
    return fc.string({ minLength, maxLength: Math.min(maxLength, minLength + 30), unit: 'grapheme' });
  }

  function listOf({ items, minItems = 0, maxItems = 5, uniqueItems }: Document, name?: string) {
    const length = { minLength: minItems, maxLength: Math.max(minItems, Math.min(maxItems, 5)) };
    return (uniqueItems ? fc.uniqueArray : fc.array)(make(items ?? {}, name), length);
  }

  function objectOf({ properties = {}, required = [] }: Document): fc.Arbitrary<unknown> {
    const allowed = Object.entries<Document>(properties).filter(([, each]) => each.not === undefined);
    const made = Object.fromEntries(allowed.map(([name, each]) => [name, make(each, name)]));
    return fc.record(made, { requiredKeys: required });
  }

  return make;
}

const aDate = fc.date({ min: new Date('0001-01-02'), max: new Date('9999-12-30'), noInvalidDate: true });
