-- Which addresses send mail in a domain's name that fails DMARC, and how much of it?
SELECT
    policy_domain,
    source_ip,
    sum(count) AS messages,
    sumIf(count, NOT dmarc_pass) AS failing,
    groupUniqArray(3)(envelope_from) AS envelope_from,
    max(end) AS last_reported
FROM dmarc_records
GROUP BY policy_domain, source_ip
HAVING failing > 0
ORDER BY failing DESC
LIMIT 50
