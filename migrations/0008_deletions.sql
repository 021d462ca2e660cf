-- Up Migration

-- What a snapshot needs of entities that are gone: those deleted since a position, and, where they are very many, those
-- of a range of keys. Both hold deletions alone.
CREATE INDEX events_deleted_by_position ON feed.events (topic, "position") INCLUDE (subject)
WHERE type LIKE '%\_deleted';
CREATE INDEX events_deleted_by_subject ON feed.events (topic, subject COLLATE "C", "position")
WHERE type LIKE '%\_deleted';
