-- What a provider's own suppression list holds the address of a dropped message for.

ALTER TABLE mail_events_told ADD COLUMN IF NOT EXISTS listed_for LowCardinality(Nullable(String));
