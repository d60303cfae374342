-- purpose: what good, failed and repeated requests of one app cost, day by day
-- parameters: teams Array(String), app_id String, first_day, last_day Date
-- columns: usage_date, billing_currency, state, cost_per_good_request, failed_cost, retry_cost
SELECT usage_date, toString(d.billing_currency) AS billing_currency, toString(d.state) AS state,
    cost_per_good_request, failed_cost, retry_cost
FROM mart_reliability_costs_daily_current AS d
WHERE app_id = {app_id:String} AND team IN {teams:Array(String)} AND usage_date BETWEEN {first_day:Date} AND {last_day:Date}
ORDER BY usage_date, billing_currency
