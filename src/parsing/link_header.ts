// The Link header (RFC 8288), read in every form that it may have: a list that was cut short by a form which its client
// misreads would look like a whole one.

/** A link: its target as it was written, and its parameters, the first of each name, named in lower case. */
export interface Link {
  target: string;
  parameters: ReadonlyMap<string, string>;
}

const WHITE_SPACE = /[ \t]*/y;
const TARGET = /<([^<>]*)>/y;
const NAME = /[!#$%&'*+.^_`|~\w-]+/y; // a token, as RFC 9110 calls it
const QUOTED = /"((?:[^"\\]|\\.)*)"/y;
const BARE = /[^\s,;"<>]*/y; // more than a token: there are servers that quote nothing

/** The links of a header, in its order; undefined if it is none. */
export function parseLinks(header: string): Link[] | undefined {
  const links: Link[] = [];
  let at = 0;

  // What a pattern finds here, and on past it.
  function take(pattern: RegExp): string | undefined {
    pattern.lastIndex = at;
    const [all, inner = all] = pattern.exec(header) ?? [];
    if (all !== undefined) at += all.length;
    return inner;
  }

  function takeSign(sign: string): boolean {
    take(WHITE_SPACE);
    if (header[at] !== sign) return false;
    at++;
    take(WHITE_SPACE);
    return true;
  }

  function takeParameters(): Map<string, string> {
    const parameters = new Map<string, string>();
    while (takeSign(';')) {
      const name = take(NAME)?.toLowerCase();
      if (name === undefined) continue; // nothing between two semicolons
      const value = takeSign('=') ? (take(QUOTED)?.replaceAll(/\\(.)/g, '$1') ?? take(BARE)) : '';
      if (!parameters.has(name)) parameters.set(name, value ?? '');
    }
    return parameters;
  }

  while (takeSign(',') || at < header.length) {
    const target = take(TARGET);
    if (target !== undefined) links.push({ target, parameters: takeParameters() });
    if (at < header.length && header[at] !== ',') return undefined;
  }
  return links;
}

/** Whether a link has a relation such as next; it may have several, in any case. */
export function hasRelation({ parameters }: Link, relation: string): boolean {
  const relations = parameters.get('rel')?.toLowerCase().split(/\s+/);
  return relations?.includes(relation) ?? false;
}
