-- purpose: the headline counts of what is published
-- parameters: none
-- columns: apps, registered, billed, observed, idle, objectives, pages, tickets, spent, silent, stale, anomalies, open_anomalies,
--   telemetry_until DateTime64(3), cost_day
SELECT
    (SELECT count() FROM mart_app_inventory_current) AS apps,
    (SELECT countIf(is_registered) FROM mart_app_inventory_current) AS registered,
    (SELECT countIf(is_billed) FROM mart_app_inventory_current) AS billed,
    (SELECT countIf(is_observed) FROM mart_app_inventory_current) AS observed,
    (SELECT countIf(is_idle) FROM mart_app_inventory_current) AS idle,
    (SELECT countIf(state != 'no_data') FROM mart_slo_status_current) AS objectives,
    (SELECT countIf(state = 'page') FROM mart_slo_status_current) AS pages,
    (SELECT countIf(state = 'ticket') FROM mart_slo_status_current) AS tickets,
    (SELECT countIf(state = 'spent') FROM mart_slo_status_current) AS spent,
    (SELECT countIf(state = 'silent') FROM mart_slo_status_current) AS silent,
    (SELECT countIf(state = 'stale') FROM mart_slo_status_current) AS stale,
    (SELECT count() FROM mart_cost_anomalies_current) AS anomalies,
    (SELECT countIf(state = 'open') FROM mart_cost_anomalies_current) AS open_anomalies,
    (SELECT toDateTime64(maxOrNull(slice_end), 3, 'UTC') FROM mart_as_of_current WHERE basis != 'none') AS telemetry_until,
    (SELECT maxOrNull(usage_date) FROM core_app_costs_daily_current) AS cost_day
