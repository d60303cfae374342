-- purpose: the newest day of cost of every billing source
-- parameters: none
-- columns: source_name, newest_day
SELECT toString(source_name) AS source_name, max(usage_date) AS newest_day
FROM core_app_costs_daily_current
GROUP BY source_name
ORDER BY source_name
