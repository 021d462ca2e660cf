// How many clients there is room for, and of which.
import type { IncomingMessage } from 'node:http';
import test from 'ava';
import { createPlaces } from '../../src/delivery/places.ts';
import { ServiceError } from '../../src/errors.ts';
import { limitsWithin, readConnectionLimits } from '../../src/instance/open_files.ts';

const of = (client: string) => ({ headers: { client } }) as unknown as IncomingMessage;
const clientOf = ({ headers: { client } }: IncomingMessage) => String(client);

function codeOf(act: () => unknown): string | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    return error instanceof ServiceError ? error.code : String(error);
  }
}

test('a client has as many places as it may, whatever others have, and one that left may come back', t => {
  const refused: string[] = [];
  const places = createPlaces({
    perClient: { places: 2, snapshots: 1 },
    clientOf,
    refused: limit => refused.push(limit),
  });
  const first = places.take(of('greedy'));
  places.take(of('greedy'));
  t.is(
    codeOf(() => places.take(of('greedy'))),
    'too_many_requests',
  );
  t.is(
    codeOf(() => places.take(of('another'))),
    undefined,
  );
  first.leave();
  first.leave(); // a connection may end twice, and leaves one place
  t.is(
    codeOf(() => places.take(of('greedy'))),
    undefined,
  );
  t.is(
    codeOf(() => places.take(of('greedy'))),
    'too_many_requests',
  );
  t.deepEqual(refused, ['sockets', 'sockets']);
});

test('a client has as many snapshots under way as it may: one that was sent, or whose socket has gone, is none', t => {
  const places = createPlaces({ perClient: { places: 10, snapshots: 1 }, clientOf });
  const [first, second, third] = [places.take(of('one')), places.take(of('one')), places.take(of('one'))];
  first.beginSnapshot();
  t.is(codeOf(second.beginSnapshot), 'too_many_requests');
  t.is(codeOf(places.take(of('another')).beginSnapshot), undefined);
  first.endSnapshot();
  first.leave();
  t.is(codeOf(second.beginSnapshot), undefined);
  t.is(codeOf(third.beginSnapshot), 'too_many_requests');
  second.leave();
  t.is(codeOf(third.beginSnapshot), undefined);
});

test('an instance has as many places as it may, for whomever', t => {
  const places = createPlaces({ most: 2, clientOf });
  const first = places.take(of('one'));
  places.take(of('two'));
  t.is(
    codeOf(() => places.take(of('three'))),
    'busy',
  );
  first.leave();
  t.is(
    codeOf(() => places.take(of('three'))),
    undefined,
  );
});

test('connections stay below what the process may open files, and sockets below connections', t => {
  t.deepEqual(limitsWithin(1_024, 10), { connections: 914, sockets: 822 });
  t.deepEqual(limitsWithin(Number.POSITIVE_INFINITY, 10), {
    connections: Number.POSITIVE_INFINITY,
    sockets: Number.POSITIVE_INFINITY,
  });
  const { connections, sockets } = readConnectionLimits(10);
  t.true(sockets > 0 && sockets <= connections);
});
