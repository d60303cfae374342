-- purpose: apps seen in telemetry that have no indicator, because no request span of theirs is in the window; the last seen first
-- parameters: teams Array(String)
-- columns: app_id, app_name, team, last_seen
SELECT app_id, app_name, toString(i.team) AS team, last_seen
FROM mart_app_inventory_current AS i
WHERE team IN {teams:Array(String)} AND NOT has_indicator AND app_id != 'unallocated'
ORDER BY last_seen DESC NULLS LAST, app_id
