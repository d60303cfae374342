-- purpose: the apps the viewer may open; what nobody owns is one of them for a viewer who has 'unassigned'
-- parameters: teams Array(String)
-- columns: app_id
SELECT app_id
FROM
(
    SELECT app_id
    FROM mart_app_inventory_current
    WHERE team IN {teams:Array(String)} AND app_id != 'unallocated'
    UNION DISTINCT
    SELECT app_id
    FROM core_app_costs_daily_current
    WHERE app_id = 'unallocated' AND team IN {teams:Array(String)}
)
ORDER BY app_id
