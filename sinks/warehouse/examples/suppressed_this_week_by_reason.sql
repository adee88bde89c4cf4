-- How many recipients were suppressed in the week up to the latest suppression, why, and for which mail?
SELECT
    reason,
    stream,
    count() AS recipients,
    topK(3)(recipient_domain) AS mostly_at,
    min(since) AS first,
    max(since) AS last
FROM suppressions
WHERE kind = 'suppressed'
  AND since > (SELECT max(since) FROM suppressions) - INTERVAL 7 DAY
GROUP BY reason, stream
ORDER BY recipients DESC
