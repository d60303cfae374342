-- purpose: objectives of one app with budget and burn
-- parameters: teams Array(String), app_id String
-- columns: objective, target, window_days, good, total, sli, budget_remaining, burn_rate_5m, burn_rate_1h,
--   burn_rate_6h, burn_rate_3d, state, since DateTime64(0)
SELECT
    toString(objective) AS objective, target, window_days, good, total, sli, budget_remaining,
    burn_rate_5m, burn_rate_1h, burn_rate_6h, burn_rate_3d, toString(state) AS state,
    toDateTime64(s.since, 0, 'UTC') AS since
FROM mart_slo_status_current AS s
WHERE app_id = {app_id:String} AND team IN {teams:Array(String)}
ORDER BY objective
