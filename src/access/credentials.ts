// Where a request has its token: in Authorization (RFC 6750), or, of a browser's WebSocket, which can set no header, among
// its subprotocols. Never in the address, which is logged on its way, and never in a cookie, which other pages send along.
import type { IncomingMessage } from 'node:http';
import { unauthenticated } from '../web/access.ts';
import { headerValues } from '../web/header_values.ts';

const BEARER = /^Bearer +([^\s]+) *$/i;
const SUBPROTOCOL = 'bearer.';

/** The token's text. Throws a ServiceError where there is none, or more than one. */
export function readCredentials(request: IncomingMessage): string {
  const given = [...headersOf(request), ...subprotocolsOf(request)];
  const [token] = given;
  if (token === undefined)
    throw unauthenticated('a token is asked for: send it as Authorization: Bearer twk_…', 'none');
  if (given.length > 1) throw unauthenticated('a token may be sent only once', 'invalid_request');
  return token;
}

function headersOf(request: IncomingMessage): string[] {
  return headerValues(request, 'authorization').map(value => {
    const [, token] = BEARER.exec(value) ?? [];
    if (token === undefined)
      throw unauthenticated('Authorization must be Bearer and a token', 'invalid_request');
    return token;
  });
}

function subprotocolsOf({ headers }: IncomingMessage): string[] {
  if (headers.upgrade?.toLowerCase() !== 'websocket') return [];
  return (headers['sec-websocket-protocol'] ?? '')
    .split(',')
    .map(name => name.trim())
    .filter(name => name.startsWith(SUBPROTOCOL))
    .map(name => name.slice(SUBPROTOCOL.length));
}
