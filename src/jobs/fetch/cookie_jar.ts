// The cookies of one fetch: some servers set one by a redirect, and answer only a client that brings it along. A fetch
// never leaves its origin and lasts for seconds, so there is no other host to keep a cookie from, and nothing to keep
// longer: Domain, Path, Secure and the like have no say.

const MOST_COOKIES = 50;
const MOST_CHARACTERS = 4096; // of one, as RFC 6265 asks of a browser

/** An empty jar, as got takes it. */
export function createCookieJar() {
  const cookies = new Map<string, string>();
  return {
    /** Keeps what a Set-Cookie field says. */
    async setCookie(field: string): Promise<void> {
      const { name, value, isOver } = parse(field);
      if (isOver) cookies.delete(name);
      else if (
        name !== '' &&
        field.length <= MOST_CHARACTERS &&
        (cookies.has(name) || cookies.size < MOST_COOKIES)
      )
        cookies.set(name, value);
    },
    /** The Cookie field of the next request. */
    async getCookieString(): Promise<string> {
      return [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    },
  };
}

// The first part is the cookie, the others its attributes (RFC 6265, section 5.2).
function parse(field: string): { name: string; value: string; isOver: boolean } {
  const [pair = '', ...attributes] = field.split(';');
  const at = Math.max(0, pair.indexOf('='));
  return {
    name: pair.slice(0, at).trim(),
    value: pair.slice(at + 1).trim(),
    isOver: attributes.some(isPast),
  };
}

// A server takes a cookie back by setting it with an end that has passed.
function isPast(attribute: string): boolean {
  const [, name = '', value = ''] = /^\s*([^=\s]*)\s*=\s*(.*)$/.exec(attribute) ?? [];
  if (name.toLowerCase() === 'max-age') return /^(0|-\d+)$/.test(value.trim());
  return name.toLowerCase() === 'expires' && Date.parse(value) <= Date.now();
}
