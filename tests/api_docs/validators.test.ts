// The documents are in a form that others' tools take. In a process of its own: these tools think for seconds on end.
import { createRequire } from 'node:module';
import { Validator } from '@seriousme/openapi-schema-validator';
import anyTest, { type TestFn } from 'ava';
import { type Context, withInstance } from '../helpers/instance.ts';

// Its types ask for the DOM's.
const { Parser } = createRequire(import.meta.url)('@asyncapi/parser');

const test = anyTest as TestFn<Context>;
withInstance(test);

test('the OpenAPI document is valid, says a third party', async t => {
  const text = await (await fetch(`${t.context.instance.address}/openapi.json`)).text();
  const validator = new Validator();
  const result = await validator.validate(JSON.parse(text));
  t.true(result.valid, JSON.stringify(result.errors));
  t.is(validator.version, '3.1');
});

test('the AsyncAPI document is valid, says its official parser', async t => {
  const text = await (await fetch(`${t.context.instance.address}/asyncapi.json`)).text();
  const { document, diagnostics } = await new Parser().parse(text);
  t.deepEqual(
    diagnostics.filter(({ severity }: { severity: number }) => severity < 2),
    [],
  );
  t.is(document.version(), '3.0.0');
});
