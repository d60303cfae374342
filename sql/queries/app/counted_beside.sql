-- purpose: objectives of one app that count something else than requests: no failed request is evidence of them
-- parameters: teams Array(String), app_id String
-- columns: environment, objective
SELECT toString(o.environment) AS environment, toString(o.objective) AS objective
FROM mart_slo_objectives_current AS o
WHERE app_id = {app_id:String} AND team IN {teams:Array(String)} AND isNull(valid_to)
  AND o.indicator NOT IN ('availability', 'latency')
ORDER BY environment, objective
