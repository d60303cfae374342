-- purpose: teams of the current registry: lines of a team in time
-- parameters: none
-- columns: team, lead, cost_center, holds_from, holds_to
SELECT toString(team) AS team, lead, toString(cost_center) AS cost_center, holds_from, holds_to
FROM core_teams_current
ORDER BY team, holds_from
