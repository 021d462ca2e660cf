// What a client that has a representation says about it in If-None-Match (RFC 9110, section 13.1.2).

/** The tags of a list. Ours hold no comma, so one inside of somebody else's quotes only makes more that do not match. */
export function tagsOf(header: string): string[] {
  return header.split(',').map(tag => tag.trim());
}

/** Whether the client has what this tag stands for: compared weakly, and * is whatever there is. */
export function isKnownTag(header: string, etag: string): boolean {
  return header.trim() === '*' || tagsOf(header).some(tag => tag.replace(/^W\//, '') === etag);
}
