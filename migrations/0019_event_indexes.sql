-- Up Migration

-- Which events have a type, or are of a topic, whose types are few: a client that catches up on little of a long log reads
-- only that.
CREATE INDEX CONCURRENTLY events_by_type ON feed.events (topic, type, "position");
-- Entities that are gone, in the order of their creation: what a list as of a moment needs beside the table. A time in
-- the log is 27 characters, which sort as the times follow.
CREATE INDEX CONCURRENTLY events_deleted_by_created_at ON feed.events (topic, left(data ->> 'created_at', 27) COLLATE "C", subject COLLATE "C", "position")
WHERE type LIKE '%\_deleted';
