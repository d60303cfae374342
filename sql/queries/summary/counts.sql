-- purpose: the headline counts of what is published
-- parameters: none
-- columns: apps, registered, billed, observed, idle, objectives, pages, tickets, spent, silent, stale, anomalies, open_anomalies,
--   telemetry_until DateTime64(3), cost_day (the newest that is whole in every source still delivered, else the newest there is)
WITH
    (
        SELECT (count(), countIf(is_registered), countIf(is_billed), countIf(is_observed), countIf(is_idle))
        FROM mart_app_inventory_current
    ) AS app,
    (
        SELECT (
            countIf(state != 'no_data'), countIf(state = 'page'), countIf(state = 'ticket'), countIf(state = 'spent'),
            countIf(state = 'silent'), countIf(state = 'stale'))
        FROM mart_slo_states_current
    ) AS objective,
    (SELECT (count(), countIf(state = 'open')) FROM mart_cost_anomalies_current) AS anomaly
SELECT
    app.1 AS apps,
    app.2 AS registered,
    app.3 AS billed,
    app.4 AS observed,
    app.5 AS idle,
    objective.1 AS objectives,
    objective.2 AS pages,
    objective.3 AS tickets,
    objective.4 AS spent,
    objective.5 AS silent,
    objective.6 AS stale,
    anomaly.1 AS anomalies,
    anomaly.2 AS open_anomalies,
    (SELECT toDateTime64(maxOrNull(slice_end), 3, 'UTC') FROM mart_as_of_current WHERE basis != 'none') AS telemetry_until,
    coalesce(
        (SELECT maxOrNull(m.cost_day) FROM mart_as_of_current AS m WHERE m.cost_day > '1970-01-01'),
        (SELECT maxOrNull(usage_date) FROM core_app_costs_daily_current)
    ) AS cost_day
