-- Why does Gmail defer us: which answers, to which domains' mail, since when?
SELECT
    enhanced_code,
    replaceRegexpAll(response, '[0-9a-zA-Z._-]{16,}', '…') AS answer,
    count() AS times,
    groupUniqArray(5)(from_domain) AS domains,
    min(occurred_at) AS first_seen,
    max(occurred_at) AS last_seen
FROM mail_events
WHERE kind = 'deferred' AND provider = 'gmail'
GROUP BY enhanced_code, answer
ORDER BY times DESC
LIMIT 20
