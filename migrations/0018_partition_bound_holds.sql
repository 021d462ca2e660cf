-- Up Migration

-- Reads the log once, and keeps no reader and no writer waiting: see "ATTACH PARTITION" in PostgreSQL's manual, ALTER TABLE.
ALTER TABLE feed.events VALIDATE CONSTRAINT events_bound;
