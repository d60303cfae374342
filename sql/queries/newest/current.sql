-- purpose: objectives that page by the newest minutes, as they are published
-- parameters: none
-- columns: app_id, environment, objective, team, target, threshold_ms UInt32, since DateTime64(0), fired_at DateTime64(0),
--   seen_at DateTime64(0), bad, total, window_seconds, route, version
SELECT
    app_id, toString(n.environment) AS environment, toString(n.objective) AS objective, toString(n.team) AS team, target,
    threshold_ms, toDateTime64(n.since, 0, 'UTC') AS since, toDateTime64(n.fired_at, 0, 'UTC') AS fired_at,
    toDateTime64(n.seen_at, 0, 'UTC') AS seen_at, bad, total, window_seconds, route, version
FROM mart_slo_newest_current AS n
ORDER BY app_id, environment, objective
