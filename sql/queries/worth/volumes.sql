-- purpose: what the telemetry of each app took in some days, by signal
-- parameters: first_day, last_day Date
-- columns: app_id, signal, records, bytes, series (on the day with the most), widest_metric, widest_series (of the day and
--   metric with the most)
SELECT
    app_id, toString(v.signal) AS signal, sum(v.records) AS records, sum(v.bytes) AS bytes, max(v.series) AS series,
    argMax(v.widest_metric, (v.widest_series, v.widest_metric)) AS widest_metric, max(v.widest_series) AS widest_series
FROM core_app_telemetry_volumes_current AS v
WHERE usage_date BETWEEN {first_day:Date} AND {last_day:Date}
GROUP BY app_id, signal
ORDER BY app_id, signal
