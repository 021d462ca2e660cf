// Where a request has its token.
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import test from 'ava';
import { readCredentials } from '../../src/access/credentials.ts';

/** As Node's parser leaves it: of several of one name it keeps the first alone. */
function requestWith(...rawHeaders: string[]): IncomingMessage {
  const request = new IncomingMessage(new Socket());
  request.rawHeaders = rawHeaders;
  for (let index = 0; index < rawHeaders.length; index += 2)
    request.headers[rawHeaders[index]?.toLowerCase() ?? ''] ??= rawHeaders[index + 1];
  return request;
}

const AUTHORIZATION = ['Authorization', 'Bearer one'];
const UPGRADE = ['Upgrade', 'websocket'];
const PROTOCOLS = [...UPGRADE, 'Sec-WebSocket-Protocol', 'taskwire.v1, bearer.two'];

test('a token stands in Authorization, whatever the case of its scheme, or among the subprotocols', t => {
  t.is(readCredentials(requestWith(...AUTHORIZATION)), 'one');
  t.is(readCredentials(requestWith('authorization', 'bearer   one ')), 'one');
  t.is(readCredentials(requestWith(...PROTOCOLS)), 'two');
  t.is(readCredentials(requestWith(...UPGRADE, 'Sec-WebSocket-Protocol', 'bearer.two,taskwire.v1')), 'two');
});

test('a request that sends two, in whatever way, is refused: nobody guesses which one counts', t => {
  for (const headers of [
    [...AUTHORIZATION, ...AUTHORIZATION],
    [...AUTHORIZATION, 'AUTHORIZATION', 'Bearer other'],
    [...AUTHORIZATION, ...PROTOCOLS],
    [...UPGRADE, 'Sec-WebSocket-Protocol', 'bearer.one, bearer.two'],
    ['Sec-WebSocket-Protocol', 'bearer.two'],
    ['Authorization', 'Bearer one two'],
    ['Authorization', 'Bearer one, Bearer two'],
  ])
    t.throws(() => readCredentials(requestWith(...headers)), { code: 'unauthenticated' }, headers.join(' '));
});
