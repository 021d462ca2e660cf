// Where a page ends. However large its rows are, an answer of many of them must fit into the memory of an instance, and of
// many that are asked for at once.
import { type FragmentSqlToken, sql } from 'slonik';
import { PAGE_BYTES } from '../events.ts';

const DOCUMENT = sql.fragment`octet_length(document)`;

/**
 * The columns of these rows, in their order, up to the one with which they have PAGE_BYTES. What comes after it does not
 * leave the database. `bytes` says how large a row is; without it that is its document.
 */
export function firstPageOf(
  rows: FragmentSqlToken,
  { columns, bytes = DOCUMENT }: { columns: FragmentSqlToken; bytes?: FragmentSqlToken },
): FragmentSqlToken {
  return sql.fragment`
    SELECT ${columns}
    FROM (
      SELECT *, sum(${bytes}) OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
      FROM (${rows}) AS found
    ) AS page
    WHERE coalesce(bytes_before, 0) < ${PAGE_BYTES}`;
}
