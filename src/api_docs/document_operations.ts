// GET /openapi.json and GET /asyncapi.json: made when they are first asked for, and then as they are.
import { z } from 'zod';
import type { FeedEndpoint } from '../delivery/parameters.ts';
import { readVersion } from '../version.ts';
import { type Operation, operation } from '../web/operation.ts';
import { describeSockets } from './asyncapi.ts';
import { describeHttp } from './openapi.ts';
import {
  answersOf,
  NoParameters,
  type StaticAsset,
  StaticAssetHeaders,
  send,
  staticAsset,
} from './static_asset.ts';

interface DocumentOptions {
  /** All that can be asked, these operations among them: known once the application is put together. */
  operations: () => readonly Operation[];
  /** The paths of WebSockets, and what they are about. */
  endpoints: Readonly<Record<string, FeedEndpoint>>;
  /** Whether clients are asked for a token. */
  asksForToken: boolean;
}

export function createDocumentOperations({
  operations,
  endpoints,
  asksForToken,
}: DocumentOptions): Operation[] {
  return [
    documentOf('openapi', 'Describes what REST can be asked, as OpenAPI 3.1.', version =>
      describeHttp(operations(), { version, asksForToken }),
    ),
    documentOf('asyncapi', 'Describes the WebSockets and the event stream, as AsyncAPI 3.0.', version =>
      describeSockets({ endpoints, operations: operations(), version, asksForToken }),
    ),
  ];
}

function documentOf(name: string, summary: string, describe: (version: string) => object): Operation {
  let made: StaticAsset | undefined;
  return operation({
    id: `show_${name}`,
    method: 'get',
    path: `/${name}.json`,
    summary,
    tag: 'documents',
    access: 'open',
    query: NoParameters,
    headers: StaticAssetHeaders,
    answers: answersOf('application/json', z.looseObject({})),
    handle(ctx) {
      made ??= staticAsset('application/json', JSON.stringify(describe(readVersion())));
      send(ctx, made);
    },
  });
}
