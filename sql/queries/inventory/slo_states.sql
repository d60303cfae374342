-- purpose: states of the objectives that speak for an app: those in production, all where it has none there
-- parameters: none
-- columns: app_id, objective, state_rank
SELECT app_id, toString(s.objective) AS objective, state_rank
FROM mart_slo_states_current AS s
WHERE is_production OR app_id NOT IN (SELECT app_id FROM mart_slo_states_current WHERE is_production)
ORDER BY app_id, environment, objective
