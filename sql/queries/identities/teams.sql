-- purpose: teams of the current registry
-- parameters: none
-- columns: team, lead, cost_center
SELECT toString(team) AS team, lead, toString(cost_center) AS cost_center
FROM core_teams_current
ORDER BY team
