-- purpose: states of every app's objectives
-- parameters: none
-- columns: app_id, objective, state
SELECT app_id, toString(status.objective) AS objective, toString(status.state) AS state
FROM mart_slo_status_current AS status
ORDER BY app_id, objective
