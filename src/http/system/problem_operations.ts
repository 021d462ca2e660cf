// What the `type` of a problem leads to: an explanation, for people as a page and for programs as JSON.
import type { Context } from 'koa';
import { z } from 'zod';
import { CATALOGUE, type ErrorCode } from '../../errors.ts';
import { type Operation, operation } from '../../web/operation.ts';
import { NoParameters } from '../input/input.ts';
import { problemType } from '../middleware/problems.ts';

const PREFIX = '/problems/';
const TYPES = ['text/html', 'application/json'];

const Explanation = z
  .object({
    type: z.string().meta({ format: 'uri-reference', description: 'What the problem says as its `type`.' }),
    title: z.string(),
    status: z.int(),
    explanation: z.string(),
  })
  .meta({ id: 'Explanation', description: 'What a problem means, and what to do about it.' });
const Explanations = z
  .object({ data: z.array(Explanation) })
  .meta({ id: 'Explanations', description: 'Every problem that there is.' });

type Explanation = z.infer<typeof Explanation>;

/** GET /problems and GET /problems/{problem}, of every error of the catalogue. */
export function createProblemOperations(): Operation[] {
  const all = (Object.keys(CATALOGUE) as ErrorCode[]).map(explanationOf);
  const names = all.map(({ type }) => type.slice(PREFIX.length));
  const problem = z.enum(names, { error: ({ input }) => `there is no problem ${input}` });
  return [
    operation({
      id: 'list_problems',
      method: 'get',
      path: '/problems',
      summary: 'Explains every problem that an answer can name.',
      tag: 'problems',
      access: 'open',
      query: NoParameters,
      answers: { 200: { description: 'All of them.', type: TYPES, schema: Explanations } },
      handle: ctx => send(ctx, { title: 'Problems', html: all.map(sectionOf).join(''), json: { data: all } }),
    }),
    operation({
      id: 'explain_problem',
      method: 'get',
      path: `${PREFIX}{problem}`,
      summary: 'Explains a problem.',
      tag: 'problems',
      access: 'open',
      params: z.object({ problem }),
      query: NoParameters,
      answers: { 200: { description: 'What it means.', type: TYPES, schema: Explanation } },
      handle(ctx, { params }) {
        const found = all[names.indexOf(params.problem)] as Explanation; // one of them: its schema says so
        send(ctx, { title: found.title, html: sectionOf(found), json: found });
      },
    }),
  ];
}

function explanationOf(code: ErrorCode): Explanation {
  const { status, title, explanation } = CATALOGUE[code];
  return { type: problemType(code), title, status, explanation };
}

function sectionOf({ type, title, status, explanation }: Explanation): string {
  return (
    `<section><h2><a href="${type}">${title}</a></h2>` +
    `<p>Status ${status}, <code>${type}</code></p><p>${explanation}</p></section>`
  );
}

// A page, unless JSON is wanted more.
function send(ctx: Context, { title, html, json }: { title: string; html: string; json: object }): void {
  ctx.set('Cache-Control', 'public, max-age=3600');
  ctx.vary('Accept');
  const isJson = ctx.accepts('html', 'json') === 'json';
  ctx.type = isJson ? 'application/json' : 'text/html';
  ctx.body = isJson
    ? JSON.stringify(json)
    : `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title>${html}</html>\n`;
}
