-- What became of each campaign's mail, from sent to clicked, people only?
SELECT
    from_domain,
    campaign,
    countIf(kind = 'sent') AS sent,
    countIf(kind = 'delivered') AS delivered,
    countIf(kind = 'opened' AND NOT ifNull(is_machine, false)) AS opened,
    countIf(kind = 'clicked' AND NOT ifNull(is_machine, false)) AS clicked,
    countIf(kind = 'unsubscribed') AS unsubscribed,
    countIf(kind = 'complained') AS complained
FROM mail_events
WHERE campaign IS NOT NULL
GROUP BY from_domain, campaign
ORDER BY sent DESC
