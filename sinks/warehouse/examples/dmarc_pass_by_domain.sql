-- How much of each domain's reported mail passes DMARC, by month?
SELECT
    policy_domain,
    toStartOfMonth(begin) AS month,
    sum(count) AS messages,
    sumIf(count, dmarc_pass) / sum(count) AS pass_rate,
    uniqExact(org_name) AS reporters
FROM dmarc_records
GROUP BY policy_domain, month
ORDER BY policy_domain, month
