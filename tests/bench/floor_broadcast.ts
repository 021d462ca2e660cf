// The floor of what many sockets cost: ws alone. The lines that are posted to it become frames, each once, and at
// `POST /broadcast` all go to every socket, in one system call where the kernel has room. `GET /metrics` tells what the process used. A process of its own.
import { createServer, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';

let frames: Buffer[] = [];
const sockets = new Set<Duplex>();
const server = createServer((request, response) => {
  if (request.url === '/metrics') return void response.end(used());
  if (request.url === '/broadcast') {
    for (const socket of sockets) writeAll(socket);
    return void response.end();
  }
  read(request).then(
    text => {
      frames = text.split('\n').map(frame);
      response.end();
    },
    error => response.destroy(error),
  );
});
const webSockets = new WebSocketServer({ server, perMessageDeflate: false, clientTracking: false });
webSockets.on('connection', (webSocket, { socket }) => {
  sockets.add(socket);
  webSocket.on('error', () => {});
  webSocket.on('close', () => sockets.delete(socket));
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}\n`);
});
process.on('SIGTERM', () => process.exit(0));

function writeAll(socket: Duplex): void {
  socket.cork();
  for (const frame of frames) socket.write(frame);
  socket.uncork();
}

// A text frame of a server's (RFC 6455, section 5.2); no event here is shorter than 126 bytes or longer than 64 KiB.
function frame(text: string): Buffer {
  const head = Buffer.from([0x81, 126, 0, 0]);
  head.writeUInt16BE(Buffer.byteLength(text), 2);
  return Buffer.concat([head, Buffer.from(text)]);
}

async function read(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function used(): string {
  const { user, system } = process.cpuUsage();
  return `process_cpu_seconds_total ${(user + system) / 1e6}\nprocess_resident_memory_bytes ${process.memoryUsage.rss()}\n`;
}
