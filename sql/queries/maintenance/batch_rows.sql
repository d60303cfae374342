-- purpose: rows per day of one batch of what is in maintenance
-- parameters: batch_id UUID
-- columns: day, rows
SELECT toDate(hour) AS day, count() AS rows
FROM core_maintenance_hours
WHERE batch_id = {batch_id:UUID}
GROUP BY day
ORDER BY day
