-- Which enhanced status codes do bounces come with, at which providers?
SELECT
    enhanced_code,
    provider,
    count() AS bounces,
    countIf(is_async) AS told_later,
    uniqExact(recipient_hash) AS recipients,
    any(response) AS an_answer
FROM mail_events
WHERE kind = 'bounced'
GROUP BY enhanced_code, provider
ORDER BY bounces DESC
