-- purpose: rows per day of one batch of each table that is computed from telemetry by day
-- parameters: core_request_slices_batch, core_request_hours_batch, core_app_telemetry_daily_batch,
--   core_app_resources_batch, core_app_usage_hours_batch UUID
-- columns: day, rows
SELECT day, sum(part.rows) AS rows
FROM
(
    SELECT toDate(slice_start) AS day, count() AS rows
    FROM core_request_slices WHERE batch_id = {core_request_slices_batch:UUID} GROUP BY day
    UNION ALL
    SELECT toDate(hour) AS day, count() AS rows
    FROM core_request_hours WHERE batch_id = {core_request_hours_batch:UUID} GROUP BY day
    UNION ALL
    SELECT toDate(hour) AS day, count() AS rows
    FROM core_app_usage_hours WHERE batch_id = {core_app_usage_hours_batch:UUID} GROUP BY day
    UNION ALL
    SELECT usage_date AS day, count() AS rows
    FROM core_app_telemetry_daily WHERE batch_id = {core_app_telemetry_daily_batch:UUID} GROUP BY day
    UNION ALL
    SELECT usage_date AS day, count() AS rows
    FROM core_app_resources WHERE batch_id = {core_app_resources_batch:UUID} GROUP BY day
) AS part
GROUP BY day
ORDER BY day
