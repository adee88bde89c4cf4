-- What became of the documents that came in, by channel?
SELECT
    ifNull(channel, '(none)') AS came_by,
    ifNull(outcome, 'not processed yet') AS became,
    count() AS documents,
    sum(ifNull(records, 0)) AS records_in_them,
    groupUniqArray(3)(reason) AS reasons
FROM documents
GROUP BY came_by, became
ORDER BY documents DESC
