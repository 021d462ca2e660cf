// What a token may allow.

/** All scopes. None of them holds another: a client that reads and writes needs both. As the CHECK tokens_scopes_known has them. */
export const SCOPES = [
  'tasks:read',
  'tasks:write',
  'currencies:read',
  'currencies:write',
  'generator:run',
  'events:read',
  'admin',
] as const;

export type Scope = (typeof SCOPES)[number];
