-- purpose: requests, errors, latency and cost per 1,000 requests of one app per day and currency
-- parameters: teams Array(String), app_id String, first_day Date, last_day Date
-- columns: usage_date, billing_currency, requests, errors, duration_p95_ms Nullable(Float64),
--   cost_per_1000_requests Nullable(Decimal): of effective cost
SELECT
    usage_date,
    toString(billing_currency) AS billing_currency,
    requests,
    errors,
    duration_p95_ms,
    cost_per_1000_requests
FROM mart_app_unit_costs_daily_current
WHERE app_id = {app_id:String} AND team IN {teams:Array(String)}
  AND usage_date >= {first_day:Date} AND usage_date <= {last_day:Date}
ORDER BY usage_date, billing_currency
