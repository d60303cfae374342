-- purpose: apps that the published bill names, each with the team it last had, to find names in rules that nobody knows
-- parameters: none
-- columns: app_id, team
SELECT app_id, argMax(toString(costs.team), usage_date) AS team
FROM core_app_costs_daily_current AS costs
GROUP BY app_id
ORDER BY app_id
