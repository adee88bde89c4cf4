-- Facts, as told: a fact told twice is two rows until they are merged, and one row in the views.
-- The key of each table is the fact's own, and all copies of a fact share it; nothing else may sort or partition.
-- mail_events_told merges twenty parts or more at a time: its key is as good as random, so that a merge costs as much as
-- the insert did, and few wide merges cost less than many narrow ones.
-- first_told falls with the position in the log, so the row that was told first is the one that stays.
-- A partition that nothing came to for five minutes is merged into one part: reading it then costs no FINAL.

CREATE TABLE IF NOT EXISTS mail_events_told (
    generation UInt32,
    tenant LowCardinality(String),
    event_id UUID,
    kind LowCardinality(String),
    occurred_at DateTime64(3, 'UTC'),
    recorded_at DateTime64(3, 'UTC'),
    source LowCardinality(String),
    channel LowCardinality(Nullable(String)),
    source_event_id Nullable(String) CODEC(ZSTD(1)),
    message_id Nullable(String) CODEC(ZSTD(1)),
    provider_message_id Nullable(String) CODEC(ZSTD(1)),
    recipient_hash Nullable(String),
    recipient_domain LowCardinality(Nullable(String)),
    mx_host LowCardinality(Nullable(String)),
    provider LowCardinality(String),
    from_domain LowCardinality(Nullable(String)),
    mail_from_domain LowCardinality(Nullable(String)),
    dkim_domain LowCardinality(Nullable(String)),
    dkim_selector LowCardinality(Nullable(String)),
    ip LowCardinality(Nullable(String)),
    pool LowCardinality(Nullable(String)),
    region LowCardinality(Nullable(String)),
    stream LowCardinality(String),
    campaign LowCardinality(Nullable(String)),
    subject_hash Nullable(String),
    size Nullable(Int64),
    content_fingerprint Nullable(String),
    spf_aligned Nullable(Bool),
    dkim_aligned Nullable(Bool),
    dmarc_expected Nullable(Bool),
    smtp_code Nullable(Int64),
    response Nullable(String) CODEC(ZSTD(1)),
    latency_ms Nullable(Int64),
    tls_version LowCardinality(Nullable(String)),
    enhanced_code LowCardinality(Nullable(String)),
    attempt Nullable(Int64),
    is_async Nullable(Bool),
    reason LowCardinality(Nullable(String)),
    attempts Nullable(Int64),
    feedback_type LowCardinality(Nullable(String)),
    user_agent LowCardinality(Nullable(String)),
    incidents Nullable(Int64),
    is_machine Nullable(Bool),
    url_hash Nullable(String),
    method LowCardinality(Nullable(String)),
    first_told UInt64,
    INDEX by_message message_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_recipient recipient_hash TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(first_told)
PARTITION BY generation
ORDER BY (generation, tenant, event_id)
SETTINGS
    fsync_after_insert = 1, fsync_part_directory = 1,
    min_parts_to_merge_at_once = 20, min_bytes_for_wide_part = 268435456,
    min_age_to_force_merge_seconds = 300, min_age_to_force_merge_on_partition_only = 1,
    enable_max_bytes_limit_for_min_age_to_force_merge = 1;

CREATE TABLE IF NOT EXISTS dmarc_reports_told (
    generation UInt32,
    tenant LowCardinality(String),
    event_id UUID,
    occurred_at DateTime64(3, 'UTC'),
    recorded_at DateTime64(3, 'UTC'),
    source LowCardinality(String),
    channel LowCardinality(Nullable(String)),
    source_event_id Nullable(String) CODEC(ZSTD(1)),
    org_name LowCardinality(Nullable(String)),
    report_id String,
    policy_domain LowCardinality(String),
    begin DateTime64(3, 'UTC'),
    end DateTime64(3, 'UTC'),
    content_hash String,
    receipt_id Nullable(String),
    is_conflict Bool,
    format LowCardinality(String),
    email LowCardinality(Nullable(String)),
    extra_contact_info Nullable(String),
    generator LowCardinality(Nullable(String)),
    errors Array(String),
    p LowCardinality(Nullable(String)),
    sp LowCardinality(Nullable(String)),
    np LowCardinality(Nullable(String)),
    adkim LowCardinality(Nullable(String)),
    aspf LowCardinality(Nullable(String)),
    pct Nullable(Int64),
    fo LowCardinality(Nullable(String)),
    testing LowCardinality(Nullable(String)),
    discovery_method LowCardinality(Nullable(String)),
    records Int64,
    messages Int64,
    is_partial Bool,
    first_told UInt64
)
ENGINE = ReplacingMergeTree(first_told)
PARTITION BY generation
ORDER BY (generation, tenant, event_id)
SETTINGS
    fsync_after_insert = 1, fsync_part_directory = 1,
    min_age_to_force_merge_seconds = 300, min_age_to_force_merge_on_partition_only = 1,
    enable_max_bytes_limit_for_min_age_to_force_merge = 1;

CREATE TABLE IF NOT EXISTS dmarc_records_told (
    generation UInt32,
    tenant LowCardinality(String),
    event_id UUID,
    occurred_at DateTime64(3, 'UTC'),
    recorded_at DateTime64(3, 'UTC'),
    source LowCardinality(String),
    channel LowCardinality(Nullable(String)),
    source_event_id Nullable(String) CODEC(ZSTD(1)),
    org_name LowCardinality(Nullable(String)),
    report_id String,
    policy_domain LowCardinality(String),
    begin DateTime64(3, 'UTC'),
    end DateTime64(3, 'UTC'),
    content_hash String,
    receipt_id Nullable(String),
    is_conflict Bool,
    ordinal Int64,
    source_ip LowCardinality(String),
    count Int64,
    disposition LowCardinality(Nullable(String)),
    dkim LowCardinality(Nullable(String)),
    spf LowCardinality(Nullable(String)),
    dmarc_pass Nullable(Bool),
    header_from LowCardinality(Nullable(String)),
    envelope_from LowCardinality(Nullable(String)),
    envelope_to LowCardinality(Nullable(String)),
    p LowCardinality(Nullable(String)),
    reasons Array(Tuple(type String, comment Nullable(String))),
    dkim_results Array(Tuple(domain String, selector Nullable(String), result String, human_result Nullable(String))),
    spf_results Array(Tuple(domain String, scope Nullable(String), result String, human_result Nullable(String))),
    first_told UInt64
)
ENGINE = ReplacingMergeTree(first_told)
PARTITION BY generation
ORDER BY (generation, tenant, event_id)
SETTINGS
    fsync_after_insert = 1, fsync_part_directory = 1,
    min_age_to_force_merge_seconds = 300, min_age_to_force_merge_on_partition_only = 1,
    enable_max_bytes_limit_for_min_age_to_force_merge = 1;

CREATE TABLE IF NOT EXISTS documents_told (
    generation UInt32,
    tenant LowCardinality(String),
    event_id UUID,
    occurred_at DateTime64(3, 'UTC'),
    recorded_at DateTime64(3, 'UTC'),
    source LowCardinality(String),
    channel LowCardinality(Nullable(String)),
    source_event_id Nullable(String) CODEC(ZSTD(1)),
    receipt_id String,
    sha256 String,
    size Int64,
    name Nullable(String),
    content_type LowCardinality(Nullable(String)),
    last_told UInt64
)
ENGINE = ReplacingMergeTree(last_told)
PARTITION BY generation
ORDER BY (generation, tenant, receipt_id)
SETTINGS
    fsync_after_insert = 1, fsync_part_directory = 1,
    min_age_to_force_merge_seconds = 300, min_age_to_force_merge_on_partition_only = 1,
    enable_max_bytes_limit_for_min_age_to_force_merge = 1;

CREATE TABLE IF NOT EXISTS document_outcomes_told (
    generation UInt32,
    tenant LowCardinality(String),
    event_id UUID,
    occurred_at DateTime64(3, 'UTC'),
    recorded_at DateTime64(3, 'UTC'),
    source LowCardinality(String),
    channel LowCardinality(Nullable(String)),
    source_event_id Nullable(String) CODEC(ZSTD(1)),
    receipt_id String,
    sha256 String,
    member Nullable(String),
    ordinal Int64,
    kind LowCardinality(String),
    outcome LowCardinality(String),
    records Int64,
    warnings Array(String),
    reason Nullable(String),
    parser_version Int64,
    first_told UInt64
)
ENGINE = ReplacingMergeTree(first_told)
PARTITION BY generation
ORDER BY (generation, tenant, event_id)
SETTINGS
    fsync_after_insert = 1, fsync_part_directory = 1,
    min_age_to_force_merge_seconds = 300, min_age_to_force_merge_on_partition_only = 1,
    enable_max_bytes_limit_for_min_age_to_force_merge = 1;

CREATE TABLE IF NOT EXISTS dead_letters_told (
    generation UInt32,
    tenant LowCardinality(String),
    event_id UUID,
    occurred_at DateTime64(3, 'UTC'),
    recorded_at DateTime64(3, 'UTC'),
    source LowCardinality(String),
    channel LowCardinality(Nullable(String)),
    source_event_id Nullable(String) CODEC(ZSTD(1)),
    origin_topic LowCardinality(String),
    origin_partition Int64,
    origin_offset Int64,
    stage LowCardinality(String),
    reason String,
    schema_id Nullable(Int64),
    size Int64,
    content String CODEC(ZSTD(1)),
    first_told UInt64
)
ENGINE = ReplacingMergeTree(first_told)
PARTITION BY generation
ORDER BY (generation, tenant, event_id)
SETTINGS
    fsync_after_insert = 1, fsync_part_directory = 1,
    min_age_to_force_merge_seconds = 300, min_age_to_force_merge_on_partition_only = 1,
    enable_max_bytes_limit_for_min_age_to_force_merge = 1;
