// SQL as it is for a service. All SQL is written for the default name; that of another service gets its own names bound in:
// files when they are applied, statements once per text. What a statement holds as data stays as it is: literals, comments
// and identifiers that are no schema. With the default name nothing is rewritten.
import type pg from 'pg';
import { appRole, DEFAULT_SERVICE, readerRole, schemasOf } from './names.ts';

// The lexical parts of SQL in which a name may not be one, see "Lexical Structure" in PostgreSQL's manual. 'a''b' is read as
// two literals, which comes to the same; of E'…' that would be wrong. Open ends are the server's to refuse.
const PARTS = [
  /(?<comment>--[^\n]*|\/\*)/,
  /(?<literal>(?<![\w$])[eE]'(?:[^'\\]|\\[\s\S]|'')*(?:'|$)|'[^']*(?:'|$))/,
  /(?<![\w$])(?<tag>\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$)(?<body>[\s\S]*?)(?:\k<tag>|$)/,
  /(?<quoted>"(?:[^"]|"")*(?:"|$))/,
  /(?<word>[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)/,
];
const PART = PARTS.map(({ source }) => source).join('|');
const SCHEMA_FOLLOWS = /\s*\./y;
const COMMENT_EDGE = /\/\*|\*\//g;

/** How the parts that may hold names are bound; what is left out stays. */
interface Binding {
  /** A name in code, quoted or not; `qualifies` if a dot follows, as of a schema. */
  name(word: string, qualifies: boolean): string;
  literal?(text: string): string;
  /** What stands between dollars: the body of a function, or a literal like others. */
  body?(text: string): string;
}

/**
 * A statement of the program with the names of a service: a schema counts where it qualifies something. A role, or a schema
 * that is looked up by its name, is a value: the caller gives it, see names.ts.
 */
export function bindStatement(service: string, text: string): string {
  if (service === DEFAULT_SERVICE) return text;
  const bound = statementsOf(service);
  const known = bound.get(text);
  if (known !== undefined) return known;
  const schemas = defaultNames(service);
  const made = rewrite(text, { name: (word, qualifies) => (qualifies && schemas.get(word)) || word });
  if (text.length <= LONGEST_KEPT) keep(bound, text, made);
  return made;
}

/**
 * A file of migrations/ or sql/ with the names of a service. Such a file defines the names: they count wherever they stand in
 * code, in the bodies of functions, and in literals too, which it looks them up by or executes. Its comments stay.
 */
export function bindScript(service: string, text: string): string {
  if (service === DEFAULT_SERVICE) return text;
  const names = defaultNames(service);
  const bind = (part: string): string =>
    rewrite(part, {
      name: word => names.get(word) ?? word,
      literal: literal => literal.replace(NAME_IN_LITERAL, name => names.get(name) ?? service),
      body: bind,
    });
  return bind(text);
}

/** Makes a client send its statements with the names of a service; returns it. */
export function speakFor<Client extends pg.ClientBase>(service: string, client: Client): Client {
  if (service === DEFAULT_SERVICE) return client;
  return rewriteQueries(client, text => bindStatement(service, text));
}

/** Makes a client rewrite what it is to send; returns it. */
export function rewriteQueries<Client extends pg.ClientBase>(
  client: Client,
  rewriting: (text: string) => string,
): Client {
  client.query = new Proxy(client.query, {
    apply: (query, self, [first, ...others]) =>
      Reflect.apply(query, self, [rewritten(first, rewriting), ...others]),
  });
  return client;
}

function rewritten(query: unknown, rewriting: (text: string) => string): unknown {
  if (typeof query === 'string') return rewriting(query);
  if (typeof query !== 'object' || query === null || !('text' in query) || 'submit' in query) return query;
  return { ...query, text: rewriting(String(query.text)) };
}

// The settings that a writer makes for its own transaction, taskwire.origin and the like, are called so everywhere: as a
// prefix the name of an extension, such as plpgsql, would be refused.
const NAME_IN_LITERAL = /\b(?:public|feed|graphile_worker|taskwire(?:_app|_reader)?(?!\.\w))\b/g;

function defaultNames(service: string): ReadonlyMap<string, string> {
  const here = schemasOf(DEFAULT_SERVICE);
  const there = schemasOf(service);
  return new Map([
    [here.resources, there.resources],
    [here.feed, there.feed],
    [here.jobs, there.jobs],
    [appRole(DEFAULT_SERVICE), appRole(service)],
    [readerRole(DEFAULT_SERVICE), readerRole(service)],
  ]);
}

// Statements are written once in the program, but the parts of a list's query are put together in many ways.
const KEPT = 1_000;
const LONGEST_KEPT = 10_000; // characters
const statements = new Map<string, Map<string, string>>();

function statementsOf(service: string): Map<string, string> {
  const known = statements.get(service);
  if (known) return known;
  const none = new Map<string, string>();
  statements.set(service, none);
  return none;
}

function keep(bound: Map<string, string>, text: string, made: string): void {
  const [oldest] = bound.size < KEPT ? [] : bound.keys();
  if (oldest !== undefined) bound.delete(oldest);
  bound.set(text, made);
}

function rewrite(text: string, binding: Binding): string {
  const part = new RegExp(PART, 'g');
  let made = '';
  let done = 0;
  for (let found = part.exec(text); found; found = part.exec(text)) {
    if (found[0] === '/*') part.lastIndex = endOfComment(text, found.index);
    const end = part.lastIndex;
    made += text.slice(done, found.index) + bindPart(text, found, end, binding);
    done = end;
  }
  return made + text.slice(done);
}

function bindPart(text: string, found: RegExpExecArray, end: number, binding: Binding): string {
  const { literal, tag, body, quoted, word } = found.groups ?? {};
  const part = text.slice(found.index, end);
  if (word !== undefined) return binding.name(word, qualifies(text, end));
  if (quoted !== undefined)
    return qualifies(text, end) ? `"${binding.name(quoted.slice(1, -1), true)}"` : part;
  if (literal !== undefined) return binding.literal?.(literal) ?? part;
  if (tag !== undefined && body !== undefined && binding.body)
    return tag + binding.body(body) + part.slice(tag.length + body.length);
  return part;
}

function qualifies(text: string, end: number): boolean {
  SCHEMA_FOLLOWS.lastIndex = end;
  return SCHEMA_FOLLOWS.test(text);
}

// Comments nest.
function endOfComment(text: string, start: number): number {
  COMMENT_EDGE.lastIndex = start;
  let depth = 0;
  for (let edge = COMMENT_EDGE.exec(text); edge; edge = COMMENT_EDGE.exec(text)) {
    depth += edge[0] === '/*' ? 1 : -1;
    if (depth === 0) return COMMENT_EDGE.lastIndex;
  }
  return text.length;
}
