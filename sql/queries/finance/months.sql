-- purpose: billing months the viewer has cost in, newest first
-- parameters: teams Array(String)
-- columns: billing_period
SELECT billing_period
FROM core_app_costs_daily_current
WHERE team IN {teams:Array(String)}
GROUP BY billing_period
ORDER BY billing_period DESC
