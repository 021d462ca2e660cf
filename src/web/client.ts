// Who asks, for what is counted by client.
import type { IncomingMessage } from 'node:http';
import { isIPv6 } from 'node:net';

/** What names the client of a request, the same for all that it asks. */
export type ClientOf = (request: IncomingMessage) => string;

const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
const OF_A_HOST = 4; // groups of an IPv6 address that its host cannot choose

/**
 * A client by its address, where nobody says who they are. Of an IPv6 address the network counts, its first 64 bits: the
 * rest is the client's own to choose (RFC 4291, section 2.5.1), for each connection another one.
 */
export const addressOf: ClientOf = ({ socket: { remoteAddress = '' } }) => {
  const [, mapped] = MAPPED.exec(remoteAddress) ?? [];
  return mapped ?? (isIPv6(remoteAddress) ? networkOf(remoteAddress) : remoteAddress);
};

function networkOf(address: string): string {
  const [head = '', tail] = address.split('%', 1).join().split('::');
  const left = groupsOf(head);
  const right = groupsOf(tail ?? '');
  const zeros = Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0');
  return `${[...left, ...zeros, ...right].slice(0, OF_A_HOST).join(':')}::/64`;
}

const groupsOf = (text: string) => text.split(':').filter(group => group !== '');
