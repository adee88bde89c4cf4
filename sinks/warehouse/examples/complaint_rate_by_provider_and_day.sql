-- How does the complaint rate develop at each mailbox provider, day by day?
SELECT
    toDate(bucket) AS day,
    provider,
    sum(delivered) AS accepted,
    sum(complained) AS complaints,
    complaints / nullIf(accepted, 0) AS complaint_rate
FROM reputation_days
WHERE kind = 'domain'
GROUP BY day, provider
ORDER BY day, provider
