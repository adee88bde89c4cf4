-- Buckets of reputation, as the fold emitted them: part 0 holds absolute counts and its highest revision stays;
-- every other part is an addition that came after the bucket's horizon. The views sum the parts.
-- A partition that nothing came to for five minutes is merged into one part: reading it then costs no FINAL.

CREATE TABLE IF NOT EXISTS reputation_minutes_told (
    generation UInt32,
    tenant LowCardinality(String),
    kind LowCardinality(String),
    identity String,
    provider LowCardinality(String),
    bucket DateTime64(3, 'UTC'),
    part Int64,
    sent Int64,
    delivered Int64,
    deferred Int64,
    bounced Int64,
    bounced_async Int64,
    dropped Int64,
    expired Int64,
    complained Int64,
    opened Int64,
    opened_by_machine Int64,
    clicked Int64,
    clicked_by_machine Int64,
    unsubscribed Int64,
    resubscribed Int64,
    auto_replied Int64,
    revision UInt64
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY (generation, toMonday(bucket))
ORDER BY (generation, tenant, kind, identity, provider, bucket, part)
SETTINGS
    fsync_after_insert = 1, fsync_part_directory = 1,
    min_age_to_force_merge_seconds = 300, min_age_to_force_merge_on_partition_only = 1,
    enable_max_bytes_limit_for_min_age_to_force_merge = 1;

CREATE TABLE IF NOT EXISTS reputation_hours_told (
    generation UInt32,
    tenant LowCardinality(String),
    kind LowCardinality(String),
    identity String,
    provider LowCardinality(String),
    bucket DateTime64(3, 'UTC'),
    part Int64,
    sent Int64,
    delivered Int64,
    deferred Int64,
    bounced Int64,
    bounced_async Int64,
    dropped Int64,
    expired Int64,
    complained Int64,
    opened Int64,
    opened_by_machine Int64,
    clicked Int64,
    clicked_by_machine Int64,
    unsubscribed Int64,
    resubscribed Int64,
    auto_replied Int64,
    revision UInt64
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY (generation, toYYYYMM(bucket))
ORDER BY (generation, tenant, kind, identity, provider, bucket, part)
SETTINGS
    fsync_after_insert = 1, fsync_part_directory = 1,
    min_age_to_force_merge_seconds = 300, min_age_to_force_merge_on_partition_only = 1,
    enable_max_bytes_limit_for_min_age_to_force_merge = 1;

CREATE TABLE IF NOT EXISTS reputation_days_told (
    generation UInt32,
    tenant LowCardinality(String),
    kind LowCardinality(String),
    identity String,
    provider LowCardinality(String),
    bucket DateTime64(3, 'UTC'),
    part Int64,
    sent Int64,
    delivered Int64,
    deferred Int64,
    bounced Int64,
    bounced_async Int64,
    dropped Int64,
    expired Int64,
    complained Int64,
    opened Int64,
    opened_by_machine Int64,
    clicked Int64,
    clicked_by_machine Int64,
    unsubscribed Int64,
    resubscribed Int64,
    auto_replied Int64,
    revision UInt64
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY (generation, toYear(bucket))
ORDER BY (generation, tenant, kind, identity, provider, bucket, part)
SETTINGS
    fsync_after_insert = 1, fsync_part_directory = 1,
    min_age_to_force_merge_seconds = 300, min_age_to_force_merge_on_partition_only = 1,
    enable_max_bytes_limit_for_min_age_to_force_merge = 1;
