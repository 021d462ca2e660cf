// What the page asks of REST beside the live feed: the past, the rates day by day, a conversion, runs.

/** A refusal of the service, in its own words (RFC 9457); status 0 where it could not be reached. */
export class Refusal extends Error {
  readonly status: number;
  readonly title: string;

  constructor(status: number, title: string, detail: string) {
    super(detail);
    this.name = 'Refusal';
    this.status = status;
    this.title = title;
  }
}

/** REST, as the page asks it. */
export interface Service {
  get<Body>(path: string): Promise<Body>;
  post<Body>(path: string): Promise<Body>;
}

/** Who asks. */
interface Credentials {
  readonly token: string | undefined;
  renew(): Promise<string>;
}

/** Asks the service that the page came from; where it wants a token, the person is asked first. */
export function createService(access: Credentials): Service {
  const send = async (method: string, path: string, token: string | undefined) =>
    fetch(path, { method, headers: token ? { Authorization: `Bearer ${token}` } : {} }).catch(() => {
      throw new Refusal(0, '', '');
    });
  const ask = async (method: string, path: string) => {
    let response = await send(method, path, access.token);
    if (response.status === 401) response = await send(method, path, await access.renew());
    const body = await response.json().catch(() => ({}));
    if (!response.ok)
      throw new Refusal(response.status, body.title ?? '', body.detail ?? response.statusText);
    return body;
  };
  return { get: path => ask('GET', path), post: path => ask('POST', path) };
}

/** A page of a list. */
export interface Page<Row> {
  data: Row[];
  next_cursor: string | null;
}
