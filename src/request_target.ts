// A request target that is no URL, such as http://[/ (RFC 9112, section 3.2): Koa would throw at each look at its path.

/** Whether a Koa context can tell its path. */
export function isReadable(ctx: { readonly path: string }): boolean {
  try {
    return typeof ctx.path === 'string';
  } catch {
    return false;
  }
}
