// Finds a key that stands twice in one object of a JSON text. JSON.parse() takes the last one without a word, others
// the first: a reader that checks one and acts on the other can be deceived.

const [QUOTE, BACKSLASH, COLON] = [0x22, 0x5c, 0x3a];
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_LIST, CLOSE_LIST] = [0x7b, 0x7d, 0x5b, 0x5d];
const WHITE_SPACE = new Set([0x20, 0x09, 0x0a, 0x0d]);

/**
 * The first key that stands twice in one object; undefined if none does. `json` is JSON, in UTF-8: of its bytes only those
 * that stand for themselves are looked at.
 */
export function findDuplicateKey(json: Buffer): string | undefined {
  const stack: (Set<string> | undefined)[] = []; // a list has no keys
  for (let index = 0; index < json.length; index++) {
    const byte = json[index];
    if (byte === OPEN_OBJECT) stack.push(new Set());
    else if (byte === OPEN_LIST) stack.push(undefined);
    else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) stack.pop();
    else if (byte === QUOTE) {
      const end = endOfString(json, index);
      if (isKey(json, end)) {
        const key = textOf(json, index, end);
        const keys = stack.at(-1);
        if (keys?.has(key)) return key;
        keys?.add(key);
      }
      index = end;
    }
  }
  return undefined;
}

function endOfString(json: Buffer, start: number): number {
  for (let end = json.indexOf(QUOTE, start + 1); ; end = json.indexOf(QUOTE, end + 1)) {
    let before = end - 1;
    while (json[before] === BACKSLASH) before--;
    if ((end - before) % 2 === 1) return end; // an even number of backslashes escapes only itself
  }
}

function isKey(json: Buffer, end: number): boolean {
  let index = end + 1;
  while (WHITE_SPACE.has(json[index] ?? COLON)) index++;
  return json[index] === COLON;
}

function textOf(json: Buffer, start: number, end: number): string {
  const text = json.toString('utf8', start + 1, end);
  return text.includes('\\') ? String(JSON.parse(`"${text}"`)) : text;
}
