// The headers of a request as they came, for those that may stand only once.
import type { IncomingMessage } from 'node:http';

/**
 * All values of a header. Node keeps the first of several alone, as if a client had sent only that one, and headersDistinct
 * is made of all headers for each request; rawHeaders has names and values by turns.
 */
export function headerValues({ rawHeaders }: Pick<IncomingMessage, 'rawHeaders'>, name: string): string[] {
  const values: string[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2)
    if (rawHeaders[index]?.length === name.length && rawHeaders[index]?.toLowerCase() === name)
      values.push(rawHeaders[index + 1] ?? '');
  return values;
}
