-- In which hours did a provider turn away most of a domain's mail?
SELECT identity AS domain, provider, bucket AS hour, sent, deferred, deferred_rate, bounced_rate
FROM reputation_hours
WHERE kind = 'domain' AND sent >= 10
ORDER BY deferred_rate DESC NULLS LAST, hour
LIMIT 20
