-- How far is each topic loaded, and how long ago?
SELECT
    topic,
    records,
    bad,
    occurred_until,
    recorded_until,
    dateDiff('second', loaded_at, now64(3)) AS seconds_since_load
FROM freshness
ORDER BY topic
