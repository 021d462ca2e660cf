/** A source that cannot be read. Its message is for people, and holds no credentials. */
export class SourceError extends Error {
  override readonly name = 'SourceError';
}
