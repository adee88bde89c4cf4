-- Which domains did worst in the week up to the last event: complaints and bounces per day's mail?
SELECT
    identity AS domain,
    sum(sent) AS messages,
    sum(bounced) / nullIf(sum(sent), 0) AS bounce_rate,
    sum(complained) / nullIf(sum(delivered), 0) AS complaint_rate
FROM reputation_days
WHERE kind = 'domain'
  AND bucket > (SELECT max(bucket) FROM reputation_days) - INTERVAL 7 DAY
GROUP BY domain
HAVING messages >= 100
ORDER BY complaint_rate DESC NULLS LAST, bounce_rate DESC NULLS LAST
LIMIT 20
