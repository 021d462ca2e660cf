// What a source says of its refusal: its own message says more than a status does, such as which limit was reached.
import { z } from 'zod';
import { storableText } from '../../parsing/storable_text.ts';

const MOST_CHARACTERS = 200;
const SHORTEST_TOKEN = 8; // in a query

const said = z.string().refine(text => text.trim() !== '');
// Where APIs put it: GitHub and most others, problem documents (RFC 9457), OAuth, and Google and its like.
const Message = z.union([
  z.object({ message: said }).transform(({ message }) => message),
  z.object({ detail: said }).transform(({ detail }) => detail),
  z.object({ error_description: said }).transform(({ error_description }) => error_description),
  z.object({ title: said }).transform(({ title }) => title),
  z.object({ error: said }).transform(({ error }) => error),
  z.object({ error: z.object({ message: said }) }).transform(({ error }) => error.message),
]);

/**
 * The message in the body of a refusal, on one line and without any of the secrets; undefined where there is none for
 * people, as in a page of HTML.
 */
export function readRefusalWords(
  body: Buffer,
  contentType: string | undefined,
  secrets: readonly string[],
): string | undefined {
  const text = body.toString().replace(/^\uFEFF/, '');
  const message = /^text\/plain\b/i.test(contentType ?? '') ? text : messageIn(text);
  if (message === undefined) return undefined;
  // Before it is cut: half a secret is too much of one.
  const harmless = secrets.reduce((rest, secret) => rest.replaceAll(secret, '…'), message);
  return storableText(harmless, MOST_CHARACTERS) || undefined;
}

/** What a request holds that must not come back in a message: the source may repeat what it was sent. */
export function secretsOf(url: string, headers: Readonly<Record<string, string>>): string[] {
  const { password, searchParams } = new URL(url);
  const token = headers.authorization?.split(' ').at(-1) ?? '';
  const credentials = [token, password, decode(password)].filter(secret => secret !== '');
  // Shorter ones are words such as open and desc.
  return [...credentials, ...[...searchParams.values()].filter(value => value.length >= SHORTEST_TOKEN)];
}

function decode(password: string): string {
  try {
    return decodeURIComponent(password);
  } catch {
    return password;
  }
}

function messageIn(text: string): string | undefined {
  try {
    return Message.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined; // no JSON, or more of it than was read
  }
}
