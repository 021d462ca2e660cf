-- Refuses a change whose event no reader could take, in its writer's own statement. Called by feed.stage(), and by
-- feed.capture() for a row that grows without an event, so that no watched table comes to hold a row that could not be
-- deleted.
-- Called by: feed.capture(), feed.stage().
CREATE OR REPLACE FUNCTION feed.refuse_large(topic text, subject text, bytes bigint) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
  RAISE EXCEPTION 'the row % of the topic % is too large to be told: % bytes, and an event has at most %',
    subject, topic, bytes, feed.most_bytes()
    USING ERRCODE = 'check_violation', CONSTRAINT = 'event_bytes_limit', SCHEMA = 'feed', TABLE = 'staged',
      HINT = 'An UPDATE tells the new row and the old values that it replaced. To change or delete a row from before this rule, '
        'end the topic with feed.unwatch() and watch the table again afterwards.';
END
$$;
COMMENT ON FUNCTION feed.refuse_large(text, text, bigint) IS 'Refuses a change that is too large for an event.';
