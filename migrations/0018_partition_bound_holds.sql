-- Up Migration

-- Reads the log once, and holds up nobody: see "ATTACH PARTITION" in PostgreSQL's manual, ALTER TABLE.
ALTER TABLE feed.events VALIDATE CONSTRAINT events_bound;
