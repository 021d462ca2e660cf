// The WebSockets and the event stream as an AsyncAPI 3.0 document, made of what they check with and send.
import { z } from 'zod';
import { CLOSE, CLOSE_MEANINGS, CONTROL, snapshotOf } from '../delivery/frames.ts';
import { type FeedEndpoint, querySchemaOf } from '../delivery/parameters.ts';
import { EventEnvelope, eventOf, type TopicInfo, typesOf } from '../events.ts';
import type { Requirement } from '../web/access.ts';
import type { Operation } from '../web/operation.ts';
import { createSchemas, type Parameter, parametersOf, type Schemas } from './json_schema.ts';
import { TOKEN_SCHEME } from './openapi.ts';
import { type Topic, topicsOf } from './topics.ts';

type Json = Record<string, unknown>;

/** What the document is made of. */
interface AsyncSources {
  /** What each path of a WebSocket is about. */
  endpoints: Readonly<Record<string, FeedEndpoint>>;
  /** Those that stream are channels too; those that show a row say what a topic's events tell of. */
  operations: readonly Operation[];
  version: string;
  /** Whether clients are asked for a token. */
  asksForToken: boolean;
}

const DESCRIPTION = `Every committed change, whoever made it, is an event with the next number in one gapless order.

A message is one JSON text frame: an event, which has a \`specversion\` (CloudEvents 1.0), or a control frame, which has none.
In an event stream a message is the \`data\`; control frames have their type for the event's name, and the \`id\` is the
position to resume from. Tables of one's own that are watched tell of themselves as \`event\` and \`snapshot\`.
Where a token is asked for it is sent as \`Authorization: Bearer …\`; a browser's socket, which can set no header, asks for the
subprotocols \`taskwire.v1\` and \`bearer.<token>\`, and is answered the first. \`x-scopes\` are those of which one is enough.
The REST API is described in [/openapi.json](/openapi.json).`;

const HOST = { default: '127.0.0.1:8000', description: 'Where the service is.' };
const STREAM = 'text/event-stream';

/** The document. Throws where two schemas of one name differ. */
export function describeSockets({ endpoints, operations, version, asksForToken }: AsyncSources) {
  const securityOf = (access: Requirement) =>
    access === 'open' || !asksForToken ? {} : { security: [{ $ref: '#/components/securitySchemes/token' }] };
  const schemas = createSchemas('draft-07');
  const topics = topicsOf(operations);
  const messages = messagesOf(topics, schemas);
  const streams = operations.filter(({ answers }) => answers[200]?.type === STREAM);
  const channels = [
    ...Object.entries(endpoints).map(([path, endpoint]) =>
      socketOf(path, endpoint, topics, schemas, securityOf(endpoint.access)),
    ),
    ...streams.map(each => streamOf(each, topics, schemas, securityOf(each.access))),
  ];
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Taskwire',
      version,
      description: DESCRIPTION,
      license: { name: 'MIT' },
    },
    defaultContentType: 'application/json',
    servers: {
      sockets: { host: '{host}', protocol: 'ws', variables: { host: HOST } },
      streams: { host: '{host}', protocol: 'http', variables: { host: HOST } },
    },
    channels: Object.fromEntries(channels.map(({ id, channel }) => [id, channel])),
    operations: Object.fromEntries(channels.map(({ id, operation }) => [id, operation])),
    components: { messages, schemas: schemas.components, securitySchemes: { token: TOKEN_SCHEME } },
  };
}

function messagesOf(topics: readonly Topic[], schemas: Schemas): Record<string, Json> {
  const rows = z.looseObject({}).meta({ description: 'A row.' });
  return {
    ...Object.fromEntries(
      Object.entries(CONTROL).map(([name, schema]) => [name, messageOf(name, schema, schemas)]),
    ),
    event: messageOf('event', EventEnvelope, schemas),
    snapshot: messageOf('snapshot', snapshotOf(z.string(), rows), schemas),
    ...Object.fromEntries(topics.flatMap(topic => messagesAbout(topic, schemas))),
  };
}

function messagesAbout(topic: Topic, schemas: Schemas): [string, Json][] {
  const events = typesOf(topic).map((type): [string, z.ZodType] => [type, eventOf(topic, type, topic.row)]);
  const snapshot = snapshotOf(z.literal(topic.topic), topic.row);
  const all: [string, z.ZodType][] = [...events, [snapshotName(topic), snapshot]];
  return all.map(([name, schema]) => [name, messageOf(name, schema, schemas)]);
}

function messageOf(name: string, schema: z.ZodType, schemas: Schemas): Json {
  const summary = schema.meta()?.description ?? `The message ${name.replaceAll('_', ' ')}.`;
  return { name, summary, payload: schemas.output(schema) };
}

function socketOf(
  path: string,
  endpoint: FeedEndpoint,
  topics: readonly Topic[],
  schemas: Schemas,
  security: Json,
) {
  const names = namesOf(endpoint, topics, endpoint.takes.includes('snapshot'));
  const query = queryOf(parametersOf(querySchemaOf(endpoint), schemas));
  const about = endpoint.topic ?? 'everything';
  return channelOf(path, names, {
    channel: {
      description: `Tells of ${about}. What a client sends changes nothing.`,
      servers: [{ $ref: '#/servers/sockets' }],
      bindings: { ws: { method: 'GET', query, bindingVersion: '0.1.0' } },
      'x-close-codes': closeCodes(),
      'x-scopes': endpoint.access,
    },
    operation: { summary: `Tells of ${about}.`, ...security },
  });
}

function streamOf(
  { path, summary, query, headers, access }: Operation,
  topics: readonly Topic[],
  schemas: Schemas,
  security: Json,
) {
  const ofQuery = query ? queryOf(parametersOf(query, schemas)) : undefined;
  const named = headers ? parametersOf(headers, schemas) : [];
  const words = named.map(({ name, description = '' }) => `\`${name}\`: ${description}`).join(' ');
  return channelOf(path, namesOf({}, topics, false), {
    channel: {
      description: `${summary} ${words}`.trim(),
      servers: [{ $ref: '#/servers/streams' }],
      'x-scopes': access,
    },
    operation: {
      summary,
      ...security,
      bindings: { http: { method: 'GET', ...(ofQuery && { query: ofQuery }), bindingVersion: '0.3.0' } },
    },
  });
}

function channelOf(path: string, names: readonly string[], more: { channel: Json; operation: Json }) {
  const id = path.slice(1).replaceAll('/', '_');
  const messages = names.map(name => [name, { $ref: `#/components/messages/${name}` }]);
  return {
    id,
    channel: { address: path, messages: Object.fromEntries(messages), ...more.channel },
    // As the service sees it, which sends.
    operation: { action: 'send', channel: { $ref: `#/channels/${id}` }, ...more.operation },
  };
}

// What may come there: of a topic, or of all and of the tables that only the database knows.
function namesOf(endpoint: { topic?: string }, topics: readonly Topic[], hasSnapshot: boolean): string[] {
  const told = topics.filter(({ topic }) => endpoint.topic === undefined || endpoint.topic === topic);
  const isKnown = endpoint.topic !== undefined && told.length > 0;
  const events = told.flatMap(topic => [...typesOf(topic)]);
  const snapshots = told.map(snapshotName);
  return [
    ...Object.keys(CONTROL),
    ...(hasSnapshot ? [...snapshots, ...(isKnown ? [] : ['snapshot'])] : []),
    ...events,
    ...(isKnown ? [] : ['event']),
  ];
}

function queryOf(parameters: readonly Parameter[]): Json {
  const properties = parameters.map(({ name, description, schema }) => [
    name,
    { ...schema, ...(description !== undefined && { description }) },
  ]);
  return { type: 'object', properties: Object.fromEntries(properties), additionalProperties: false };
}

function closeCodes(): Json {
  const names = Object.keys(CLOSE) as (keyof typeof CLOSE)[];
  return Object.fromEntries(names.map(name => [CLOSE[name], CLOSE_MEANINGS[name]]));
}

const snapshotName = ({ topic }: TopicInfo) => `${topic}_snapshot`;
