// How JSON is spelled: what a parser does not show.

/** Whether white space stands between the parts of a JSON text. What strings hold counts for nothing. */
export function hasSpaces(text: string): boolean {
  return /\s/.test(text.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""'));
}

/** A JSON text as versions before spelled rows: {"id" : 1, "labels" : ["a", "b"]}. */
export function spelledBefore(text: string): string {
  return text.replaceAll(
    /("(?:[^"\\]|\\.)*")|([:,])/g,
    (_, string?: string, mark?: string) => string ?? (mark === ':' ? ' : ' : ', '),
  );
}
