-- purpose: days of one app nothing is known of, by why, in some days
-- parameters: teams Array(String), app_id String, first_day, last_day Date
-- columns: state, days
SELECT toString(d.state) AS state, uniqExact(usage_date) AS days
FROM mart_reliability_costs_daily_current AS d
WHERE app_id = {app_id:String} AND team IN {teams:Array(String)} AND usage_date BETWEEN {first_day:Date} AND {last_day:Date}
    AND d.state NOT IN ('known', 'no_requests')
GROUP BY state
ORDER BY days DESC, state
