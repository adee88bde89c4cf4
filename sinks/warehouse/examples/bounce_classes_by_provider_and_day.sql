-- What do bounces and deferrals mean, at each mailbox provider, day by day?
SELECT
    toDate(occurred_at) AS day,
    provider,
    bounce_class,
    leaf,
    count() AS failures,
    countIf(address_fatal) AS fatal_to_the_address,
    uniqExact(recipient_hash) AS recipients
FROM bounces_classified
GROUP BY day, provider, bounce_class, leaf
ORDER BY day DESC, failures DESC
