// What the schema of a function says about its arguments.

import { parse } from '../components/json_view';

export interface SchemaField {
  name: string;
  type: string;
  description: string;
  isRequired: boolean;
  value: unknown;
}

interface Schema {
  properties?: Record<string, { type?: string | string[]; description?: string; enum?: unknown[] }>;
  required?: string[];
}

/** Returns the arguments of a call in the order of its schema, and those that the schema lacks. */
export function argumentFields(schema: unknown, text: string): SchemaField[] | null {
  const values = parse(text);
  if (values === null || typeof values !== 'object' || Array.isArray(values)) return null;
  const { properties = {}, required = [] } = (schema ?? {}) as Schema;
  const names = new Set([...Object.keys(properties), ...Object.keys(values)]);
  return [...names].map((name) => {
    const property = properties[name] ?? {};
    const type = property.enum ? property.enum.map(String).join(' | ') : [property.type ?? 'any'].flat().join(' | ');
    return {
      name,
      type,
      description: property.description ?? '',
      isRequired: required.includes(name),
      value: (values as Record<string, unknown>)[name],
    };
  });
}
