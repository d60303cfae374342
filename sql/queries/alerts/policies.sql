-- purpose: objectives that alert by policies of their own
-- parameters: none
-- columns: app_id, environment, objective, alerting (their rules as JSON)
SELECT app_id, toString(o.environment) AS environment, toString(o.objective) AS objective, alerting
FROM mart_slo_objectives_current AS o
WHERE isNull(valid_to) AND alerting != ''
ORDER BY app_id, environment, objective
