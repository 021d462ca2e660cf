// Reads an XML answer strictly: in its own encoding, without a document type, and only if it is well-formed.
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { SourceError } from '../fetch/source_error.ts';

// Attributes are told from elements by an @. Everything stays text: a number must not become a float on the way.
const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  ignoreDeclaration: true,
  ignorePiTags: true,
  parseTagValue: false,
  parseAttributeValue: false,
});

// Ten megabytes of attributes would keep the instance busy for a quarter of a minute; a day of the bank is ten kilobytes.
const MOST_BYTES = 1024 * 1024;

/** The document as objects and strings: an element that stands several times is a list. Throws a SourceError. */
export function parseXml(bytes: Buffer, contentType: string | undefined): unknown {
  if (bytes.length > MOST_BYTES) throw new SourceError('its answer has more than 1 MB');
  const text = decode(bytes, contentType);
  // It could define entities that grow without end, or read files. No bank's list of rates needs one.
  if (/<!(DOCTYPE|ENTITY)/i.test(text))
    throw new SourceError('its XML has a document type, which is refused');
  const valid = XMLValidator.validate(text);
  if (valid !== true)
    throw new SourceError(`its answer is no XML: line ${valid.err.line}: ${shorten(valid.err.msg)}`);
  const resolved = resolveReferences(text);
  try {
    return parser.parse(resolved);
  } catch (error) {
    throw new SourceError('its XML cannot be read', { cause: error });
  }
}

// XML 1.0, section 2.2: what a document may hold, as it is or by reference.
const CHARACTER = /^[\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]*$/u;
const VERBATIM = /(<!--.*?-->|<!\[CDATA\[.*?\]\]>)/s;
const MARKUP: Readonly<Record<string, string>> = {
  '<': '&lt;',
  '>': '&gt;',
  '&': '&amp;',
  "'": '&apos;',
  '"': '&quot;',
};

// References to characters by their number, which the parser does not know. It knows those by the five names.
function resolveReferences(text: string): string {
  if (!CHARACTER.test(text)) throw new SourceError('its XML holds a character that no document may hold');
  return text
    .split(VERBATIM) // what stands in comments and in CDATA is no reference; these are the odd ones
    .map((part, index) => (index % 2 === 1 ? part : part.replaceAll(/&#([^;&<]*;?)/g, resolveReference)))
    .join('');
}

function resolveReference(reference: string, number: string): string {
  const [, hexadecimal, decimal] = /^(?:x([\da-f]+)|(\d+));$/i.exec(number) ?? [];
  const code = hexadecimal === undefined ? Number(decimal) : Number.parseInt(hexadecimal, 16);
  const character = code <= 0x10ffff ? String.fromCodePoint(code) : '';
  if (character === '' || !CHARACTER.test(character))
    throw new SourceError(
      `its XML holds ${shorten(reference)}, which is no character that a document may hold`,
    );
  return MARKUP[character] ?? character;
}

// It can hold all of a hostile answer.
function shorten(message: string): string {
  return message.length > 200 ? `${message.slice(0, 200)}…` : message;
}

// What Content-Type says goes before what the document says of itself (RFC 7303, section 3.2).
function decode(bytes: Buffer, contentType: string | undefined): string {
  const declared = /^(?:\uFEFF|ï»¿)?<\?xml[^>]*?\bencoding=["']([\w.:-]+)["']/i;
  const charset =
    /;\s*charset="?([^\s";]+)/i.exec(contentType ?? '')?.[1] ??
    declared.exec(bytes.subarray(0, 200).toString('latin1'))?.[1] ??
    'utf-8';
  const decoder = decoderOf(charset);
  if (decoder.encoding !== 'utf-8' && isUtf8(bytes)) {
    throw new SourceError(`its answer says that it is ${charset}, but it is UTF-8`);
  }
  try {
    return decoder.decode(bytes);
  } catch {
    throw new SourceError(`its answer says that it is ${charset}, but it is not`);
  }
}

function decoderOf(charset: string) {
  try {
    return new TextDecoder(charset, { fatal: true });
  } catch {
    throw new SourceError(`its answer is in an encoding that is not known: ${charset.slice(0, 40)}`);
  }
}

// Any bytes are something in an encoding of single bytes; what is UTF-8 beyond ASCII is so by no accident.
function isUtf8(bytes: Buffer): boolean {
  if (bytes.every(byte => byte < 0x80)) return false;
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
