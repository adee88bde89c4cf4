-- What was loaded, and which generation is read. Written after the data, so that a load cut short is repeated.

CREATE TABLE IF NOT EXISTS positions_told (
    generation UInt32,
    topic LowCardinality(String),
    partition UInt32,
    log_id String,
    offset UInt64,
    digest String,
    records UInt64,
    bad UInt64,
    occurred_until Nullable(DateTime64(3, 'UTC')),
    recorded_until Nullable(DateTime64(3, 'UTC')),
    loaded_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(offset)
PARTITION BY generation
ORDER BY (generation, topic, partition)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS generation_swaps (
    swap UInt64,
    generation UInt32,
    swapped_at DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY swap
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
