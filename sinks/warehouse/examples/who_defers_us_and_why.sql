-- Who defers us, for which reason, and what is to be done about it?
SELECT
    provider,
    bounce_class,
    leaf,
    action,
    scope,
    count() AS deferrals,
    groupUniqArray(5)(ip) AS from_addresses,
    groupUniqArray(5)(from_domain) AS from_domains,
    max(occurred_at) AS latest
FROM bounces_classified
WHERE classified_kind = 'deferred'
GROUP BY provider, bounce_class, leaf, action, scope
ORDER BY deferrals DESC
LIMIT 50
