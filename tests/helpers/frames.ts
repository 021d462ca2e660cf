// Holds frames against the AsyncAPI document of the instance that sent them.
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import type { Document } from './conformance.ts';

type Check = (path: string, frame: { type: string; specversion?: string; topic?: string }) => void;

const checks = new Map<string, Check>();

/** Gets the document of an instance, so that frames from this address can be checked. */
export async function learnFrames(address: string): Promise<void> {
  checks.set(address, checkAgainst(await (await fetch(`${address}/asyncapi.json`)).json()));
}

/** Throws an error for a frame that the document does not know. Of an address that nobody learnt, nothing is known. */
export function checkFrame(address: string, path: string, frame: Parameters<Check>[1]): void {
  checks.get(address)?.(path, frame);
}

function checkAgainst(document: Document): Check {
  const ajv = new Ajv({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema(document, 'asyncapi');
  const channels = new Map<string, Document>(
    Object.values<Document>(document.channels).map(channel => [channel.address, channel]),
  );
  return (path, frame) => {
    const name = path.split('?', 1)[0] ?? '';
    const general = frame.specversion ? 'event' : frame.type;
    const special = frame.type === 'snapshot' ? `${frame.topic}_snapshot` : frame.type;
    const messages = channels.get(name)?.messages ?? {};
    const message = special in messages ? special : general;
    const validate = ajv.getSchema(`asyncapi#/components/messages/${message}/payload`);
    if (message in messages && validate?.(frame)) return;
    const fault = message in messages ? ajv.errorsText(validate?.errors) : `no message ${message}`;
    throw new Error(`the document says of ${name}: ${fault}\n${JSON.stringify(frame)}`);
  };
}
