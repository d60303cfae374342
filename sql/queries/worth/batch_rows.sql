-- purpose: rows per day of one batch of calls and of one of volumes
-- parameters: core_app_calls_batch, core_app_telemetry_volumes_batch UUID
-- columns: day, rows
SELECT day, sum(part.rows) AS rows
FROM
(
    SELECT usage_date AS day, count() AS rows
    FROM core_app_calls WHERE batch_id = {core_app_calls_batch:UUID} GROUP BY day
    UNION ALL
    SELECT usage_date AS day, count() AS rows
    FROM core_app_telemetry_volumes WHERE batch_id = {core_app_telemetry_volumes_batch:UUID} GROUP BY day
) AS part
GROUP BY day
ORDER BY day
