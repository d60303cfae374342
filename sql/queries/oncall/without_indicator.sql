-- purpose: apps seen in telemetry that have no indicator, because no request span of theirs is in the window
-- parameters: teams Array(String), row_limit UInt32
-- columns: app_id, app_name, team, last_seen, matching
SELECT app_id, app_name, toString(i.team) AS team, last_seen, count() OVER () AS matching
FROM mart_app_inventory_current AS i
WHERE team IN {teams:Array(String)} AND NOT has_indicator AND app_id != 'unallocated'
ORDER BY last_seen DESC NULLS LAST, app_id
LIMIT {row_limit:UInt32}
