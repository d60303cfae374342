-- purpose: the teams whose rows the viewer may see: the viewer's own and, with the right to see all teams, each that has an
--   app, a cost, a line of a closed statement, a name in the registry, or nobody's
-- parameters: teams Array(String), see_all_teams Bool
-- columns: team
SELECT DISTINCT team
FROM
(
    SELECT arrayJoin({teams:Array(String)}) AS team
    UNION ALL
    SELECT toString(team) FROM core_teams_current WHERE {see_all_teams:Bool}
    UNION ALL
    SELECT DISTINCT toString(team) FROM mart_app_inventory_current WHERE {see_all_teams:Bool}
    UNION ALL
    SELECT DISTINCT toString(team) FROM core_app_costs_daily_current WHERE {see_all_teams:Bool}
    UNION ALL
    SELECT DISTINCT toString(team) FROM mart_statement_lines WHERE {see_all_teams:Bool} AND team != ''
    UNION ALL
    SELECT DISTINCT toString(team) FROM mart_statement_adjustments_current WHERE {see_all_teams:Bool} AND team != ''
    UNION ALL
    SELECT 'unassigned' WHERE {see_all_teams:Bool}
)
ORDER BY team
