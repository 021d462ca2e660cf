// A JSON Schema as a TypeScript type, as far as the service's rows need it.
import type { z } from 'zod';

type Schema = z.core.JSONSchema.BaseSchema;

/** Throws for what it does not know. What a schema refers to by name is put in its place. */
export function typeScriptOf(schema: Schema, named = (schema.$defs ?? {}) as Record<string, Schema>): string {
  const inner = (each: Schema) => typeScriptOf(each, named);
  const found = schema.$ref && named[schema.$ref.replace('#/$defs/', '')];
  if (found) return inner(found);
  if (schema.enum) return schema.enum.map(value => JSON.stringify(value)).join(' | ');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.anyOf) return (schema.anyOf as Schema[]).map(inner).join(' | ');
  const { type } = schema as { type?: unknown };
  if (Array.isArray(type)) return type.map(each => inner({ ...schema, type: each })).join(' | ');
  switch (schema.type) {
    case 'object':
      return objectOf(schema, inner);
    case 'array':
      return `(${inner(schema.items as Schema)})[]`;
    case 'integer':
      return 'number';
    case 'string':
    case 'number':
    case 'boolean':
    case 'null':
      return schema.type;
    case undefined:
      return 'unknown';
    default:
      throw new TypeError(`there is no type for ${JSON.stringify(schema)}`);
  }
}

function objectOf(
  { properties = {}, required = [], additionalProperties }: Schema,
  inner: (schema: Schema) => string,
): string {
  const fields = Object.entries(properties as Record<string, Schema>)
    .filter(([, { not }]) => not === undefined) // what may not be there
    .map(([name, schema]) => {
      const words = schema.description ? `/** ${schema.description.replaceAll('*/', '')} */ ` : '';
      const isOptional = !required.includes(name);
      return `${words}${JSON.stringify(name)}${isOptional ? '?' : ''}: ${inner(schema)}${isOptional ? ' | undefined' : ''};`;
    });
  if (fields.length === 0 && additionalProperties !== false) return 'Record<string, unknown>';
  return `{ ${fields.join(' ')} }`;
}
