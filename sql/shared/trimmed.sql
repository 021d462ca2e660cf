-- A text without the white space around it. Called by the BEFORE triggers, so that psql, REST and the jobs cannot differ;
-- src/parsing/trim.ts knows the same. Unicode's White_Space property and U+FEFF: btrim() alone takes only spaces. Without
-- settings of its own, so that it is inlined in the writer's path.
-- Called by: public.currencies_before_write(), public.tasks_before_write().
CREATE OR REPLACE FUNCTION feed.trimmed(value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN btrim(value,
  E' \t\n\u000B\f\r\u0085\u00A0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200A'
  '\u2028\u2029\u202F\u205F\u3000\uFEFF');
COMMENT ON FUNCTION feed.trimmed(text) IS 'A text without the white space around it, as Unicode defines that.';
