-- What happened to one message, in order? (Give its Message-ID; here that of the latest event that has one.)
SELECT occurred_at, kind, provider, mx_host, enhanced_code, response
FROM mail_events
WHERE message_id = (SELECT argMax(message_id, occurred_at) FROM mail_events)
ORDER BY occurred_at
