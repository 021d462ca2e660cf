-- Up Migration

-- What reading the past needs: what became of one entity, which position a time means, and the list as it was.

CREATE INDEX events_by_subject ON feed.events (subject, "position");

-- A time becomes the last position given by then, and a position the time by which it was given.
CREATE INDEX event_batches_by_at ON feed.event_batches (at, last_position);
CREATE INDEX event_batches_by_last_position ON feed.event_batches (last_position);

-- Entities in the order of their creation: a time in the log is 27 characters, which sort as the times follow. Whatever
-- else a table may call created_at is cut off there, so that it fits.
CREATE INDEX events_by_created_at ON feed.events (
  topic, left(data ->> 'created_at', 27) COLLATE "C", subject COLLATE "C")
WHERE type LIKE '%\_created';

-- An index takes no more than some 2,700 bytes. A key that is too long for it must fail in its writer's transaction, not
-- in the sequencer, which could not go on. Last, for it locks the writers out until the transaction ends, which indexes of
-- the log alone do not.
ALTER TABLE feed.staged ADD CONSTRAINT staged_subject_length CHECK (octet_length(subject) <= 1000);
