-- What failures mean, what speaks for and against suppressing a recipient, and who is suppressed.
-- Of a suppression the row with the highest revision stays: it is what follows from everything that was said.
-- The life of a message is found by either of its ids, and by what was classified of it.

CREATE TABLE IF NOT EXISTS bounces_classified_told (
    generation UInt32,
    tenant LowCardinality(String),
    event_id UUID,
    occurred_at DateTime64(3, 'UTC'),
    recorded_at DateTime64(3, 'UTC'),
    source LowCardinality(String),
    channel LowCardinality(Nullable(String)),
    source_event_id Nullable(String) CODEC(ZSTD(1)),
    classified_event_id UUID,
    classified_kind LowCardinality(String),
    ruleset LowCardinality(String),
    bounce_class LowCardinality(String),
    leaf LowCardinality(String),
    address_fatal Bool,
    after Int64,
    message_fatal Bool,
    scope LowCardinality(String),
    action LowCardinality(String),
    rule LowCardinality(String),
    message_id Nullable(String) CODEC(ZSTD(1)),
    provider_message_id Nullable(String) CODEC(ZSTD(1)),
    recipient_hash Nullable(String),
    recipient_domain LowCardinality(Nullable(String)),
    mx_host LowCardinality(Nullable(String)),
    provider LowCardinality(String),
    from_domain LowCardinality(Nullable(String)),
    ip LowCardinality(Nullable(String)),
    stream LowCardinality(String),
    campaign LowCardinality(Nullable(String)),
    first_told UInt64,
    INDEX by_event classified_event_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_recipient recipient_hash TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(first_told)
PARTITION BY generation
ORDER BY (generation, tenant, event_id)
SETTINGS
    fsync_after_insert = 1, fsync_part_directory = 1,
    min_age_to_force_merge_seconds = 300, min_age_to_force_merge_on_partition_only = 1,
    enable_max_bytes_limit_for_min_age_to_force_merge = 1;

CREATE TABLE IF NOT EXISTS suppression_evidence_told (
    generation UInt32,
    tenant LowCardinality(String),
    event_id UUID,
    occurred_at DateTime64(3, 'UTC'),
    recorded_at DateTime64(3, 'UTC'),
    source LowCardinality(String),
    channel LowCardinality(Nullable(String)),
    source_event_id Nullable(String) CODEC(ZSTD(1)),
    kind LowCardinality(String),
    recipient_hash String,
    recipient_domain LowCardinality(Nullable(String)),
    stream LowCardinality(String),
    fact_event_id Nullable(UUID),
    bounce_class LowCardinality(Nullable(String)),
    leaf LowCardinality(Nullable(String)),
    ruleset LowCardinality(Nullable(String)),
    after Int64,
    provider LowCardinality(String),
    from_domain LowCardinality(Nullable(String)),
    by LowCardinality(Nullable(String)),
    note Nullable(String) CODEC(ZSTD(1)),
    reasons Array(LowCardinality(String)),
    first_told UInt64,
    INDEX by_recipient recipient_hash TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(first_told)
PARTITION BY generation
ORDER BY (generation, tenant, event_id)
SETTINGS
    fsync_after_insert = 1, fsync_part_directory = 1,
    min_age_to_force_merge_seconds = 300, min_age_to_force_merge_on_partition_only = 1,
    enable_max_bytes_limit_for_min_age_to_force_merge = 1;

CREATE TABLE IF NOT EXISTS suppressions_told (
    generation UInt32,
    tenant LowCardinality(String),
    recipient_hash String,
    stream LowCardinality(String),
    kind LowCardinality(String),
    event_id UUID,
    occurred_at DateTime64(3, 'UTC'),
    recorded_at DateTime64(3, 'UTC'),
    source LowCardinality(String),
    channel LowCardinality(Nullable(String)),
    source_event_id Nullable(String) CODEC(ZSTD(1)),
    recipient_domain LowCardinality(Nullable(String)),
    reason LowCardinality(String),
    reasons Array(LowCardinality(String)),
    evidence Array(String),
    bounce_class LowCardinality(Nullable(String)),
    leaf LowCardinality(Nullable(String)),
    since Nullable(DateTime64(3, 'UTC')),
    by LowCardinality(Nullable(String)),
    note Nullable(String) CODEC(ZSTD(1)),
    revision UInt64
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY generation
ORDER BY (generation, tenant, recipient_hash, stream)
SETTINGS
    fsync_after_insert = 1, fsync_part_directory = 1,
    min_age_to_force_merge_seconds = 300, min_age_to_force_merge_on_partition_only = 1,
    enable_max_bytes_limit_for_min_age_to_force_merge = 1;

ALTER TABLE mail_events_told
    ADD INDEX IF NOT EXISTS by_provider_message provider_message_id TYPE bloom_filter(0.01) GRANULARITY 1;

ALTER TABLE mail_events_told MATERIALIZE INDEX by_provider_message;
