-- purpose: ids of the entries of the access log that are loaded already, of a stretch of time
-- parameters: first_at DateTime64(9, 'UTC'), last_at DateTime64(9, 'UTC')
-- columns: event_id
SELECT event_id FROM core_access_log
WHERE at >= {first_at:DateTime64(9, 'UTC')} AND at <= {last_at:DateTime64(9, 'UTC')}
ORDER BY event_id
