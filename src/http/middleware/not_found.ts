// What no router answered: a path that is not there, a method that a path does not take, a socket asked for as a page.
import type { Middleware } from 'koa';
import { ServiceError } from '../../errors.ts';

/**
 * Stands last, behind the routers: OPTIONS tells the methods, the rest is 404, 405 or 426. `hint` goes with a 404: what is not
 * here and may be elsewhere.
 */
export function answerNotFound(hint = ''): Middleware {
  return ctx => {
    const methods = allowedMethods(ctx.matched ?? []);
    if (methods.length === 0) throw nothingAt(ctx.path, hint);
    const allow = methods.join(', ');
    if (ctx.method !== 'OPTIONS') {
      throw new ServiceError('method_not_allowed', `${ctx.path} takes ${allow}`, {
        headers: { Allow: allow },
      });
    }
    ctx.status = 204;
    ctx.set('Allow', allow);
  };
}

// @koa/router leaves the routes whose path matched in ctx.matched, those of every router it came by.
function allowedMethods(matched: readonly { methods: readonly string[] }[]): string[] {
  const methods = new Set(matched.flatMap(route => route.methods));
  return methods.size === 0 ? [] : [...methods.add('OPTIONS')].sort();
}

function nothingAt(path: string, hint: string): ServiceError {
  if (!path.startsWith('/ws/')) return new ServiceError('not_found', `there is nothing at ${path}${hint}`);
  return new ServiceError('upgrade_required', `${path} is a WebSocket: connect with ws:// or wss://`, {
    headers: { Upgrade: 'websocket', Connection: 'Upgrade' },
  });
}
