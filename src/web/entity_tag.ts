// ETags: what a client that has a representation says about it (RFC 9110, section 13.1), and that a compressed one is
// another representation.

/** How a representation may be compressed. */
export type Coding = 'br' | 'gzip';

/** The tag of a representation when it is compressed: "3" becomes "3-gzip" (RFC 9110, section 8.8.3.3). */
export function codedTag(etag: string, coding: Coding): string {
  return etag.replace(/"$/, `-${coding}"`);
}

/** The tag of what a tag's representation is when it is not compressed. */
export function plainTag(etag: string): string {
  return etag.replace(/-(?:br|gzip)"$/, '"');
}

/** The tags of a list. Ours hold no comma, so one inside of a foreign tag's quotes only makes more that do not match. */
export function tagsOf(header: string): string[] {
  return header.split(',').map(tag => tag.trim());
}

/** Whether the client has what this tag stands for, compressed or not: compared weakly, and * is whatever there is. */
export function isKnownTag(header: string, etag: string): boolean {
  return header.trim() === '*' || tagsOf(header).some(tag => plainTag(tag.replace(/^W\//, '')) === etag);
}
