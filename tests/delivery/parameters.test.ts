// A query is checked by a schema that is made once.
import test from 'ava';
import { type Place, querySchemaOf, readParameters } from '../../src/delivery/parameters.ts';

const place: Place = { topic: 'tasks', takes: ['after', 'log', 'snapshot'] };
const other: Place = { topic: 'currencies', takes: ['after'] };

test('a place has one schema, made for the first client, and another place has another', async t => {
  const schema = querySchemaOf(place);
  await readParameters('after=7&status=todo', place, async () => []);
  t.is(querySchemaOf(place), schema);
  t.not(querySchemaOf(other), schema);
  t.like(await readParameters('snapshot=true', other, async () => []), [{ path: 'snapshot' }]);
  t.like(await readParameters('snapshot=true', place, async () => []), { snapshot: true });
});
