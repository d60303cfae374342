-- purpose: the apps the viewer may open, those that cost most first
-- parameters: teams Array(String)
-- columns: app_id, app_name
SELECT app_id, app_name
FROM mart_app_inventory_current
WHERE team IN {teams:Array(String)}
ORDER BY app_id
