-- purpose: days that are over and not whole, by source and reason
-- parameters: teams Array(String), the viewer's; without one there is no row
-- columns: source_name, first_day, last_day, days, reason
SELECT toString(source_name) AS source_name, min(usage_date) AS first_day, max(usage_date) AS last_day, count() AS days, reason
FROM core_cost_days_current
WHERE is_whole = 0 AND notEmpty({teams:Array(String)})
GROUP BY source_name, reason
ORDER BY source_name, first_day, reason
