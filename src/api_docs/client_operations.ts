// GET /client.js: the client of src/client for pages, from the service that it speaks with.
import { type Operation, operation } from '../web/operation.ts';
import { readClientScript } from './client_script.ts';
import {
  answersOf,
  NoParameters,
  type StaticAsset,
  StaticAssetHeaders,
  send,
  staticAsset,
} from './static_asset.ts';

/** GET /client.js. */
export function createClientOperations(): Operation[] {
  let script: Promise<StaticAsset> | undefined;
  return [
    operation({
      id: 'show_client',
      method: 'get',
      path: '/client.js',
      summary: 'Gives the client for pages, a JavaScript module.',
      tag: 'documents',
      access: 'open',
      query: NoParameters,
      headers: StaticAssetHeaders,
      answers: answersOf('text/javascript'),
      async handle(ctx) {
        script ??= readClientScript().then(code => staticAsset('text/javascript', code));
        send(ctx, await script);
      },
    }),
  ];
}
