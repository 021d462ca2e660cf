-- Up Migration

-- What an event's row is called stands in its type, before the last word, unless that word is a status with an underscore of
-- its own. Only then is it kept here: everywhere else the column costs nothing.
ALTER TABLE feed.staged ADD COLUMN entity text;
ALTER TABLE feed.events ADD COLUMN entity text;
COMMENT ON COLUMN feed.staged.entity IS 'What the row is called, where it is not the type without its last word.';
COMMENT ON COLUMN feed.events.entity IS 'What the row is called, where it is not the type without its last word.';
