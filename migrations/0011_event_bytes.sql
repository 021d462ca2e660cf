-- Up Migration

-- How large an event is, so that a reader can end a page of the log at so many bytes without fetching what comes
-- after. NULL of what was staged before: its size is measured each time it is read.
ALTER TABLE feed.staged ADD COLUMN IF NOT EXISTS bytes integer;
ALTER TABLE feed.events ADD COLUMN IF NOT EXISTS bytes integer;
COMMENT ON COLUMN feed.staged.bytes IS 'How many bytes data and previous have together.';
COMMENT ON COLUMN feed.events.bytes IS 'How many bytes data and previous have together; NULL of old events, which were not measured.';
