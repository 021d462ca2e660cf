// How an address becomes a connection.
import test from 'ava';
import { optionsFor } from '../../src/nats/connection.ts';

for (const [url, expected] of Object.entries({
  'nats://127.0.0.1': { servers: '127.0.0.1:4222' },
  'nats://[::1]:4333': { servers: '[::1]:4333' },
  'nats://me:p%40ss@nats:4222': { servers: 'nats:4222', user: 'me', pass: 'p@ss' },
  'nats://t0ken@nats': { servers: 'nats:4222', token: 't0ken' },
  'tls://nats:4443': { servers: 'nats:4443', tls: {} },
})) {
  test(`${url} is connected to as it says`, t => {
    t.like(optionsFor(url, 'taskwire'), { ...expected, name: 'taskwire', reconnect: false });
  });
}
