-- Up Migration

-- Reads the tables once, and keeps no reader and no writer waiting.
ALTER TABLE public.tasks VALIDATE CONSTRAINT tasks_rules;
ALTER TABLE public.currencies VALIDATE CONSTRAINT currencies_rules;
ALTER TABLE public.currency_rates VALIDATE CONSTRAINT currency_rates_rules;
ALTER TABLE public.runs VALIDATE CONSTRAINT runs_rules;
