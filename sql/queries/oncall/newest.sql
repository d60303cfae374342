-- purpose: objectives that page by the newest minutes, the most bad events first
-- parameters: teams Array(String)
-- columns: app_id, environment, objective, team, target, since DateTime64(0), seen_at DateTime64(0), bad UInt32, total UInt32, window_seconds
--   UInt32, route, version
SELECT
    app_id, toString(n.environment) AS environment, toString(n.objective) AS objective, toString(n.team) AS team, target,
    toDateTime64(n.since, 0, 'UTC') AS since, toDateTime64(n.seen_at, 0, 'UTC') AS seen_at, bad, total, window_seconds, route,
    version
FROM mart_slo_newest_current AS n
WHERE team IN {teams:Array(String)}
ORDER BY bad DESC, app_id, environment, objective
