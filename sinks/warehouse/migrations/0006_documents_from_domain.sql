-- The From domain that an intake gives to what names none.

ALTER TABLE documents_told ADD COLUMN IF NOT EXISTS from_domain LowCardinality(Nullable(String));
