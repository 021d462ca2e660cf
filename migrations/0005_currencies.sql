-- Up Migration

CREATE TABLE public.currencies (
  id uuid NOT NULL,
  currency text NOT NULL,
  name text NOT NULL,
  nominal integer NOT NULL,
  rate numeric NOT NULL,
  rate_date date NOT NULL,
  source text,
  "timestamp" timestamptz NOT NULL,
  version bigint NOT NULL,
  CONSTRAINT currencies_pkey PRIMARY KEY (id),
  CONSTRAINT currencies_currency_key UNIQUE (currency),
  CONSTRAINT currencies_currency_format CHECK (currency ~ '^[A-Z]{3}$'),
  CONSTRAINT currencies_name_length CHECK (char_length(name) BETWEEN 1 AND 200),
  CONSTRAINT currencies_nominal_positive CHECK (nominal > 0),
  -- NaN and infinity are greater than every number.
  CONSTRAINT currencies_rate_range CHECK (rate > 0 AND rate < 1e20),
  CONSTRAINT currencies_rate_scale CHECK (scale(rate) <= 20),
  CONSTRAINT currencies_rouble_is_one CHECK (currency <> 'RUB' OR rate = 1),
  CONSTRAINT currencies_rate_date_range CHECK (rate_date >= '0001-01-01' AND rate_date <= '9999-12-31'),
  CONSTRAINT currencies_source_length CHECK (char_length(source) BETWEEN 1 AND 100),
  CONSTRAINT currencies_timestamp_range CHECK ("timestamp" >= '0001-01-01 00:00:00+00' AND "timestamp" < '10000-01-01 00:00:00+00'),
  CONSTRAINT currencies_version_positive CHECK (version > 0)
);
COMMENT ON TABLE public.currencies IS
  'The newest rate of each currency, in roubles per one unit. id (UUIDv7), timestamp (when the rate last changed), '
  'version, and what a writer leaves out (name, nominal, rate_date) are made by the trigger currencies_before_write; every change becomes an event of the topic currencies. '
  '`nominal` is how many units the bank quotes; the rate is of one.';

CREATE TABLE public.currency_rates (
  currency text NOT NULL,
  rate_date date NOT NULL,
  rate numeric NOT NULL,
  nominal integer NOT NULL DEFAULT 1,
  CONSTRAINT currency_rates_pkey PRIMARY KEY (currency, rate_date),
  CONSTRAINT currency_rates_currency_format CHECK (currency ~ '^[A-Z]{3}$'),
  CONSTRAINT currency_rates_rate_date_range CHECK (rate_date >= '0001-01-01' AND rate_date <= '9999-12-31'),
  CONSTRAINT currency_rates_rate_range CHECK (rate > 0 AND rate < 1e20),
  CONSTRAINT currency_rates_rate_scale CHECK (scale(rate) <= 20),
  CONSTRAINT currency_rates_rouble_is_one CHECK (currency <> 'RUB' OR rate = 1),
  CONSTRAINT currency_rates_nominal_positive CHECK (nominal > 0)
);
COMMENT ON TABLE public.currency_rates IS
  'What a unit of each currency was worth on each day, the days before those in `currencies` too. The trigger '
  'currencies_keep_rate writes what `currencies` says; the rates job adds older days. It outlives its currency.';

-- Which id had a code: of a currency that is gone only the log knows.
CREATE INDEX events_by_currency ON feed.events ((data ->> 'currency'), "position")
WHERE topic = 'currencies' AND type = 'currency_created';

-- Only where `version` is the service's own does it count changes: a table of somebody's may call anything so.
ALTER TABLE feed.topics ADD COLUMN versioned boolean NOT NULL DEFAULT false;
-- An event's data holds the entity under its name, beside `previous`.
ALTER TABLE feed.topics ADD CONSTRAINT topics_entity_not_previous CHECK (entity <> 'previous');
