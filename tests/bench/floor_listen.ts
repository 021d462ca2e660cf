// The floor of the latency benchmark: LISTEN, and pass each payload on to every socket. A process of its own.
import pg from 'pg';
import { WebSocketServer } from 'ws';

const client = new pg.Client(process.argv[2]);
await client.connect();
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
client.on('notification', ({ payload }) => {
  for (const socket of server.clients) socket.send(payload ?? '');
});
await client.query('LISTEN tasks');
const address = server.address();
process.stdout.write(`ws://127.0.0.1:${typeof address === 'object' ? address?.port : ''}\n`);
process.on('SIGTERM', () => process.exit(0));
