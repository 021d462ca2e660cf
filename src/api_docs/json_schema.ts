// Writes zod schemas as JSON Schema for a document: those that have an id once, under components, and elsewhere by name.
import { z } from 'zod';

export type JsonSchema = z.core.JSONSchema.BaseSchema;

/** The schemas of a document. */
export interface Schemas {
  /** The components that were named so far. */
  readonly components: Readonly<Record<string, JsonSchema>>;
  /** What a client may write as a parameter. */
  input(schema: z.ZodType): JsonSchema;
  /**
   * What a client may send as a body. Defaults stand in words alone: generators take a field with a default for one that
   * is always there, and then want it of the client.
   */
  body(schema: z.ZodType): JsonSchema;
  /** What the service answers. */
  output(schema: z.ZodType): JsonSchema;
}

/** A parameter of a query or a header, as one writes it. */
export interface Parameter {
  name: string;
  required: boolean;
  description?: string | undefined;
  schema: JsonSchema;
}

/** Collects schemas. Throws when two that differ have the same id. */
export function createSchemas(target: 'draft-2020-12' | 'draft-07'): Schemas {
  const components: Record<string, JsonSchema> = {};

  function write(schema: z.ZodType, io: 'input' | 'output', adapt = tidy): JsonSchema {
    const written = z.toJSONSchema(schema, { target, io, override: ({ jsonSchema }) => adapt(jsonSchema) });
    const { $schema, $defs, definitions, ...root } = referringToComponents(written);
    const named = ($defs ?? definitions ?? {}) as Record<string, JsonSchema>;
    for (const [id, each] of Object.entries(named)) add(id, each);
    return root;
  }

  function add(id: string, schema: JsonSchema): void {
    const known = components[id];
    if (known && JSON.stringify(known) !== JSON.stringify(schema))
      throw new TypeError(`two different schemas are called ${id}`);
    components[id] = schema;
  }

  return {
    components,
    input: schema => write(schema, 'input'),
    body: schema => write(schema, 'input', tidyBody),
    output: schema => write(schema, 'output'),
  };
}

/** The parameters of a schema that sees each as the list of its values (query.ts), or as its text (headers). */
export function parametersOf(schema: z.ZodObject, { input }: Schemas): Parameter[] {
  const { properties = {}, required = [] } = input(schema);
  return Object.entries(properties).map(([name, written]) => {
    const { description, ...rest } = written as JsonSchema;
    return { name, required: required.includes(name), description, schema: oneOf(rest) };
  });
}

// A list of exactly one value is that value.
function oneOf(schema: JsonSchema): JsonSchema {
  const isOne = schema.type === 'array' && schema.maxItems === 1;
  return isOne ? (schema.items as JsonSchema) : schema;
}

// What zod says too much: the limits of JavaScript's numbers, and of a format how it is written.
function tidy(schema: JsonSchema): void {
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
  if (schema.format === 'uuid') delete schema.pattern;
  if (schema.example === undefined) return;
  schema.examples = [schema.example];
  delete schema.example;
}

function tidyBody(schema: JsonSchema): void {
  tidy(schema);
  if (schema.default === undefined) return;
  const words = `Without it: ${JSON.stringify(schema.default)}.`;
  schema.description = [schema.description, words].filter(Boolean).join(' ');
  delete schema.default;
}

function referringToComponents(schema: JsonSchema): JsonSchema {
  const text = JSON.stringify(schema);
  return JSON.parse(text.replaceAll(/"#\/(\$defs|definitions)\//g, '"#/components/schemas/'));
}
