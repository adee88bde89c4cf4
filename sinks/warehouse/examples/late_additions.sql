-- What came too late for its bucket and was added to it afterwards?
SELECT
    grain,
    toDate(bucket) AS day,
    count() AS additions,
    sum(sent + delivered + deferred + bounced + complained + opened + clicked) AS events
FROM reputation_late_additions
WHERE kind = 'domain'
GROUP BY grain, day
ORDER BY grain, day
