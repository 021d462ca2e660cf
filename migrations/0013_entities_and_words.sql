-- Up Migration

-- What an event's row is called stands in its type, before the last word, unless that word is a status with an underscore of
-- its own. Only then is it kept here: everywhere else the column costs nothing.
ALTER TABLE feed.staged ADD COLUMN IF NOT EXISTS entity text;
ALTER TABLE feed.events ADD COLUMN IF NOT EXISTS entity text;
COMMENT ON COLUMN feed.staged.entity IS 'What the row is called, where it is not the type without its last word.';
COMMENT ON COLUMN feed.events.entity IS 'What the row is called, where it is not the type without its last word.';

-- What a search finds, anew. PostgreSQL's parser takes whole what a person searches in parts: tags, paths, hosts, hyphenated
-- words and their numbers. So all punctuation is made white space before the parser sees a text, and the same is done to
-- what is searched for. Neither the database's locale has a say, nor the form in which a text spells its letters.

DO $$
DECLARE
  -- Whose lower() knows all letters, also where the database's locale is C and knows ASCII alone.
  letters CONSTANT text := (
    SELECT quote_ident(collname)
    FROM pg_collation
    WHERE collnamespace = 'pg_catalog'::regnamespace AND collname IN ('unicode', 'pg_c_utf8', 'default')
    ORDER BY array_position(ARRAY['unicode', 'pg_c_utf8', 'default'], collname::text)
    LIMIT 1);
BEGIN
  EXECUTE format($function$
    CREATE FUNCTION public.search_text(value text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    AS $body$
    DECLARE
      read text;
    BEGIN
      IF pg_catalog.octet_length(value) OPERATOR(pg_catalog.=) pg_catalog.length(value) THEN -- ASCII, and cheap
        RETURN pg_catalog.regexp_replace(
          pg_catalog.lower(value COLLATE pg_catalog."C"), '[!#-,./:-@\[-`{-~]+' COLLATE pg_catalog."C", ' ', 'g');
      END IF;
      -- All punctuation but " and -, which mean something to a search; after ASCII's what Unicode has for the same purposes.
      read := pg_catalog.lower(
        CASE WHEN value IS NFKC NORMALIZED THEN value ELSE pg_catalog.normalize(value, 'NFKC') END COLLATE pg_catalog.%s);
      read := pg_catalog.regexp_replace(
        read,
        E'[!#-,./:-@\\[-`{-~\u00A1-\u00A9\u00AB-\u00B1\u00B6\u00B7\u00BB\u00BF\u00D7\u00F7\u200B\u2010-\u205E'
          '\u20A0-\u20CF\u2116\u3001\u3002\u3008-\u3011\uFEFF]+' COLLATE pg_catalog."C", ' ', 'g');
      -- A symbol is no letter to the parser, unless the locale is C: each becomes a word of letters.
      IF read OPERATOR(pg_catalog.~) (E'[\u2190-\u2BFF\U0001F000-\U0001FAFF]' COLLATE pg_catalog."C") THEN
        read := (
          SELECT pg_catalog.string_agg(
            CASE
              WHEN c.letter OPERATOR(pg_catalog.~) (E'[\u2190-\u2BFF\U0001F000-\U0001FAFF]' COLLATE pg_catalog."C")
                THEN pg_catalog.concat(' symbol', pg_catalog.to_hex(pg_catalog.ascii(c.letter)), ' ')
              WHEN c.letter OPERATOR(pg_catalog.~) (E'[\u200D\uFE0E\uFE0F]' COLLATE pg_catalog."C") THEN ' '
              ELSE c.letter
            END,
            '' ORDER BY c.ordinality)
          FROM pg_catalog.regexp_split_to_table(read, '') WITH ORDINALITY AS c (letter, ordinality));
      END IF;
      RETURN read;
    END
    $body$
  $function$, letters);
END
$$;
COMMENT ON FUNCTION public.search_text(text) IS
  'A text or a query as the parser is to see it: in small letters, composed (NFKC), without punctuation but " and -.';

-- Two readings of one text: as it is, so that every word can be found as it is written, and with the endings of Russian
-- and English words taken off. task_words() before it stays for instances of an older version that still run.
CREATE FUNCTION public.task_search_words(title text, description text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
  read CONSTANT text := pg_catalog.translate(
    public.search_text(CASE WHEN description IS NULL THEN title ELSE pg_catalog.concat(title, E'\n', description) END), '"-', '  ');
BEGIN
  RETURN pg_catalog.tsvector_concat(
    pg_catalog.to_tsvector('pg_catalog.simple', read), pg_catalog.to_tsvector('pg_catalog.russian', read));
END
$$;
COMMENT ON FUNCTION public.task_search_words(text, text) IS
  'What a task is found by: the words of its title and description, as they are written and without their endings.';
