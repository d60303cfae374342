-- purpose: what registry, bill and telemetry say about one app
-- parameters: teams Array(String), app_id String
-- columns: app_id, app_name, team, lifecycle, is_registered, is_billed, is_observed, has_indicator, first_cost_date,
--   last_cost_date, last_seen, requests_30d, is_idle, worst_state, system, lead, cost_center, source
SELECT
    i.app_id AS app_id, i.app_name AS app_name, toString(i.team) AS team, toString(i.lifecycle) AS lifecycle,
    i.is_registered AS is_registered, i.is_billed AS is_billed, i.is_observed AS is_observed,
    i.has_indicator AS has_indicator, i.first_cost_date AS first_cost_date, i.last_cost_date AS last_cost_date,
    i.last_seen AS last_seen, i.requests_30d AS requests_30d, i.is_idle AS is_idle,
    toString(i.worst_state) AS worst_state,
    r.system AS system, r.lead AS lead, r.cost_center AS cost_center, r.source AS source
FROM mart_app_inventory_current AS i
LEFT JOIN
(
    SELECT
        app_id,
        toString(argMax(system, valid_from)) AS system,
        argMax(lead, valid_from) AS lead,
        toString(argMax(cost_center, valid_from)) AS cost_center,
        argMax(source, valid_from) AS source
    FROM core_apps_current
    WHERE app_id = {app_id:String} AND team IN {teams:Array(String)}
    GROUP BY app_id
) AS r ON r.app_id = i.app_id
WHERE i.app_id = {app_id:String} AND i.team IN {teams:Array(String)}
