-- In which hours did a provider turn away most of a domain's mail?
SELECT identity AS domain, provider, bucket AS hour, sent, deferred, deferral_rate, bounce_rate
FROM reputation_hours
WHERE kind = 'domain' AND sent >= 10
ORDER BY deferral_rate DESC NULLS LAST, hour
LIMIT 20
