-- What could not be understood, and why?
SELECT
    origin_topic,
    stage,
    replaceRegexpAll(reason, '[0-9]+', 'N') AS why,
    count() AS letters,
    max(recorded_at) AS latest,
    argMax(concat(origin_topic, '/', toString(origin_partition), '/', toString(origin_offset)), recorded_at) AS example
FROM dead_letters
GROUP BY origin_topic, stage, why
ORDER BY letters DESC
