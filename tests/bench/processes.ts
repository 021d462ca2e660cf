// What a benchmark measures beside the service: its floors, each a process of its own, sockets to them, and what a
// process says of itself.
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { type Running, startProcess } from '../helpers/process.ts';

/** A floor of this folder; it prints its address as its first line. */
export async function startFloor(file: string, ...args: string[]): Promise<Running> {
  return startProcess(process.execPath, [`tests/bench/${file}`, ...args], {}, /((?:ws|http):\S+)/);
}

/** An open socket that has said what it says first, if it says anything. */
export async function connectSocket(address: string): Promise<WebSocket> {
  const socket = new WebSocket(address.replace(/^http/, 'ws'), { perMessageDeflate: false });
  const ready = address.includes('/ws/') ? once(socket, 'message') : once(socket, 'open');
  await ready;
  return socket;
}

/** A value of the /metrics of the service, or of a floor that has the same. */
export async function readMetric(address: string, name: string): Promise<number> {
  const text = await (await fetch(`${address}/metrics`)).text();
  const value = new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1];
  if (value === undefined) throw new Error(`${address} tells no ${name}`);
  return Number(value);
}

/** Posts a text; throws unless it is accepted. */
export async function post(address: string, body = ''): Promise<void> {
  const { ok, status } = await fetch(address, { method: 'POST', body });
  if (!ok) throw new Error(`${address} answered ${status}`);
}
