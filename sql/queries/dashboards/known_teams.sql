-- purpose: which of the viewer's teams exist: in the registry, as the owner of an app, on a bill, or on a closed statement
-- parameters: teams Array(String)
-- columns: team
SELECT DISTINCT team
FROM
(
    SELECT toString(team) AS team FROM core_teams_current
    UNION ALL
    SELECT toString(team) FROM mart_app_inventory_current
    UNION ALL
    SELECT toString(team) FROM core_app_costs_daily_current
    UNION ALL
    SELECT toString(team) FROM mart_statement_lines WHERE team != ''
)
WHERE team IN {teams:Array(String)}
ORDER BY team
