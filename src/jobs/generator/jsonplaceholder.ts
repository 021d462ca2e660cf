// Reads the to-dos of JSONPlaceholder, or of whatever else serves its format: one list, at one address.

import { z } from 'zod';
import { readFound, reasonOf } from '../fetch/fault_words.ts';
import { publicUrl } from '../fetch/fetch_bytes.ts';
import { SourceError } from '../fetch/source_error.ts';
import { type FoundItem, type SourceAdapter, toItem } from './source.ts';

const Todo = z.object({
  id: z.union([z.int(), z.string()], 'must be a whole number or a string').transform(String),
  title: z.string(),
  completed: z.boolean(),
});

export const jsonplaceholder: SourceAdapter = {
  name: 'jsonplaceholder',
  defaultUrl: 'https://jsonplaceholder.typicode.com/todos',

  async *read({ url, fetchJson }) {
    const { body } = await fetchJson(url);
    if (!Array.isArray(body)) throw new SourceError(`${publicUrl(url)} did not answer with a list`);
    for (const [index, entry] of body.entries()) yield toFound(entry, index);
  },
};

function toFound(entry: unknown, index: number): FoundItem {
  const result = readFound(Todo, entry);
  if (result.success) {
    const { id, title, completed } = result.data;
    return toItem(id, { title, status: completed ? 'done' : 'todo' });
  }
  const id = Todo.pick({ id: true }).safeParse(entry);
  return {
    external_id: id.success ? id.data.id : null,
    refused: `entry ${index + 1}: ${reasonOf(result.error)}`,
  };
}
