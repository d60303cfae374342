-- purpose: how many days of a month are final, settled, arrived or open in each source's bill, and since when and why; a bill is of
--   all teams, so only a viewer with the right to see whole bills is shown it
-- right: see_statements
-- parameters: teams Array(String), see_whole_bills Bool, billing_period Date
-- columns: source_name, state, days, first_day, last_day, since DateTime64(0) (of the last one), reason (of the last one)
SELECT
    toString(source_name) AS source_name,
    toString(state) AS state,
    count() AS days,
    min(usage_date) AS first_day,
    max(usage_date) AS last_day,
    toDateTime64(argMax(d.since, usage_date), 0, 'UTC') AS since,
    argMax(d.reason, usage_date) AS reason
FROM core_cost_days_current AS d
WHERE toStartOfMonth(usage_date) = {billing_period:Date} AND {see_whole_bills:Bool} AND notEmpty({teams:Array(String)})
GROUP BY source_name, state
ORDER BY source_name, first_day, state
