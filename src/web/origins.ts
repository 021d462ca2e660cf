// Which web pages may use the service: against cross-site request forgery (CSRF) and DNS rebinding. A browser asks for any page it shows, from where its user is: so neither an
// address on loopback nor a network that only the trusted reach keeps pages out.
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';

/** Both say in words why a request is refused, or undefined if it is not. */
export interface Origins {
  /** Those besides the service's own. */
  readonly allowed: readonly string[];
  /** For every request: whether it was sent to a name that is ours. */
  refuseHost(headers: IncomingHttpHeaders): string | undefined;
  /** For those that change something, and for sockets: whether the page that sent it may. */
  refusePage(headers: IncomingHttpHeaders): string | undefined;
}

/**
 * `checksHost`: nobody is asked for a token, so what a page may send is all that keeps it out. `host`: where the service
 * listens. `allowed`: origins besides the service's own.
 */
export function createOrigins({
  checksHost,
  host: own,
  allowed,
}: {
  checksHost: boolean;
  host?: string;
  allowed: readonly string[];
}): Origins {
  const names = new Set(allowed.map(origin => new URL(origin).hostname));
  if (own !== undefined) names.add(own.toLowerCase());
  let taken: string | undefined; // the last host that was: nearly all ask for the same, and reading it costs
  return {
    allowed,
    // DNS rebinding: a page's own name is made to lead here, and then the page's origin is ours.
    refuseHost({ host }) {
      if (!checksHost || host === undefined || host === taken) return undefined;
      if (isFixed(host) || names.has(hostnameOf(host))) {
        taken = host;
        return undefined;
      }
      return `the host ${host} is not this machine: name its origin in ALLOWED_ORIGINS to let it be asked for`;
    },
    // Others than browsers send neither header.
    refusePage({ origin, host, 'sec-fetch-site': site, 'x-forwarded-proto': scheme }) {
      if (origin !== undefined)
        return isOwn(origin, host, schemeOf(scheme)) || allowed.includes(origin)
          ? undefined
          : `the origin ${origin} is not allowed`;
      return site === 'cross-site' || site === 'same-site' ? 'a page of another origin sent it' : undefined;
    },
  };
}

// An origin is scheme, host and port (RFC 6454, section 4).
function isOwn(origin: string, host: string | undefined, scheme: string): boolean {
  const own = `${scheme}://${host}`;
  return URL.canParse(origin) && URL.canParse(own) && new URL(origin).origin === new URL(own).origin;
}

// We speak http; a proxy that took the request by TLS says so, each one behind the last. No page can: a script's request
// with this header would be asked about first, and a WebSocket's has none of the page's.
function schemeOf(forwarded: string | string[] | undefined): 'http' | 'https' {
  const [first = ''] = String(forwarded ?? '').split(',');
  return /^(https|wss)$/i.test(first.trim()) ? 'https' : 'http';
}

// An address cannot be made to lead elsewhere, and localhost leads here (RFC 6761, section 6.3).
function isFixed(host: string): boolean {
  const name = hostnameOf(host);
  return isIP(bare(name)) !== 0 || LOCALHOST.test(name);
}

/** Whether a Host names this machine to itself. */
export function isOfLoopback(host: string): boolean {
  const name = hostnameOf(host);
  return LOCALHOST.test(name) || /^(127\.\d+\.\d+\.\d+|::1)$/.test(bare(name));
}

const LOCALHOST = /^(.+\.)?localhost$/;
const bare = (name: string) => name.replace(/^\[|\]$/g, '');

function hostnameOf(host: string): string {
  return URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname : '';
}
