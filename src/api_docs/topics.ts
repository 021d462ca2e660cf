// The topics whose rows REST shows: what their events tell of is known, and typed in both documents.
import { z } from 'zod';
import { EventEnvelope, eventOf, type TopicInfo, typesOf } from '../events.ts';
import type { Operation } from '../web/operation.ts';
import type { JsonSchema, Schemas } from './json_schema.ts';

/** A topic and what its rows look like. */
export interface Topic extends TopicInfo {
  row: z.ZodType;
}

/** Several operations may show rows of one topic: they are the same. */
export function topicsOf(operations: readonly Operation[]): Topic[] {
  const found = operations.flatMap(({ shows, answers }): [string, Topic][] => {
    const row = answers[200]?.schema;
    return shows && row ? [[shows.topic, { ...shows, row }]] : [];
  });
  return [...new Map(found).values()];
}

/**
 * The component Event as a union: one member per known topic, and one for the tables that only the database knows. Each
 * fits exactly one of them.
 */
export function describeEvents(topics: readonly Topic[], schemas: Schemas): Record<string, JsonSchema> {
  schemas.output(EventEnvelope);
  const { examples, ...envelope } = schemas.components.Event ?? {};
  const members = topics.map(topic => ({ topic, name: `${topic.row.meta()?.id}Event` }));
  for (const { topic, name } of members) schemas.output(eventsOf(topic).meta({ id: name }));
  const known = topics.flatMap(topic => [...typesOf(topic)]);
  const other: JsonSchema = {
    ...envelope,
    description: "A committed change of a table of the operator's own that is watched.",
    properties: { ...envelope.properties, type: { type: 'string', not: { enum: known } } },
  };
  const mapping = members.flatMap(({ topic, name }) => typesOf(topic).map(type => [type, reference(name)]));
  const union: JsonSchema = {
    description: envelope.description ?? '',
    oneOf: [...members.map(({ name }) => name), 'OtherEvent'].map(name => ({ $ref: reference(name) })),
    discriminator: { propertyName: 'type', mapping: Object.fromEntries(mapping) },
  };
  return { ...schemas.components, Event: union, OtherEvent: other };
}

function eventsOf(topic: Topic) {
  const { shape } = eventOf(topic, '', topic.row);
  return z
    .object({ ...shape, type: z.enum(typesOf(topic)) })
    .meta({ description: `A committed change in ${topic.topic}.` });
}

const reference = (name: string) => `#/components/schemas/${name}`;
