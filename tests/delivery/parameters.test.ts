// A query is checked by a schema that is made once.
import test from 'ava';
import { type FeedEndpoint, querySchemaOf, readParameters } from '../../src/delivery/parameters.ts';
import { ANYBODY } from '../../src/web/access.ts';

const endpoint: FeedEndpoint = {
  topic: 'tasks',
  access: ['tasks:read'],
  takes: ['after', 'log', 'snapshot'],
};
const other: FeedEndpoint = { topic: 'currencies', access: ['currencies:read'], takes: ['after'] };

test('a place has one schema, made for the first client, and another place has another', async t => {
  const schema = querySchemaOf(endpoint);
  await readParameters('after=7&status=todo', endpoint, async () => [], ANYBODY);
  t.is(querySchemaOf(endpoint), schema);
  t.not(querySchemaOf(other), schema);
  t.like(await readParameters('snapshot=true', other, async () => [], ANYBODY), [{ path: 'snapshot' }]);
  t.like(await readParameters('snapshot=true', endpoint, async () => [], ANYBODY), { snapshot: true });
});
