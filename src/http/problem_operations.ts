// The pages that the `type` of a problem leads to.
import { CATALOGUE, type ErrorCode } from '../errors.ts';
import { type Operation, operation } from '../operation.ts';
import { problemType } from './problems.ts';

const EXPLANATIONS: Record<ErrorCode, string> = {
  malformed:
    'The body is not JSON, or a query parameter or header is unknown or wrong. errors names the parameters.',
  forbidden: 'Who you are may not do this.',
  not_found: 'The path leads nowhere, or the thing it names was deleted or never existed.',
  method_not_allowed: 'The path exists, but not for this method. The Allow header lists those it takes.',
  conflict: 'What is there now contradicts the request. Read it, then decide.',
  gone: 'A position of the log cannot be resumed from: what follows is no longer kept (retention), it lies beyond the head (ahead), or it is from another log (other_log). Begin with the present state.',
  stale:
    'If-Match names a version that is not the present one: somebody else was faster. Read again, then repeat.',
  too_large: 'A body may have 1 MiB after decoding. Split it.',
  unsupported_media_type:
    'Send JSON in UTF-8 and say so: Content-Type: application/json. The Accept header lists what else is taken.',
  invalid:
    'The body is JSON, but its content breaks rules. errors lists every fault with a JSON Pointer to it.',
  upgrade_required: 'Only WebSocket connections are answered here: use ws:// or wss://.',
  unavailable:
    'The database cannot be reached at the moment. Nothing was changed. Try again after Retry-After seconds.',
  timeout:
    'The database took too long. Try again after Retry-After seconds; a write may or may not have happened.',
  broker_unavailable:
    'NATS cannot be reached at the moment, or did not take the message. Try again after Retry-After seconds.',
  internal: 'A fault of the service, not of the request. Its log has the reason under the request_id.',
  unfit_database: 'The service was started on a database that it cannot work with. It says so at start.',
  unfit_settings: 'The service was started with settings that it cannot work with. It says so at start.',
};

/** GET /problems/… for each code, with dashes. */
export function createProblemOperations(): Operation[] {
  return (Object.keys(EXPLANATIONS) as ErrorCode[]).map(code =>
    operation({
      id: `explain_${code}`,
      method: 'get',
      path: problemType(code),
      summary: `Explains the problem “${CATALOGUE[code].title}”.`,
      tag: 'problems',
      answers: { 200: { description: 'A page to read.', type: 'text/html' } },
      handle(ctx) {
        ctx.set('Cache-Control', 'public, max-age=3600');
        ctx.type = 'text/html';
        ctx.body = page(code);
      },
    }),
  );
}

function page(code: ErrorCode): string {
  const { status, title } = CATALOGUE[code];
  return (
    `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title>` +
    `<h1>${title}</h1><p>Status ${status}, <code>${code}</code></p><p>${EXPLANATIONS[code]}</p></html>\n`
  );
}
