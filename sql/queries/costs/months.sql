-- purpose: which billing months charge for which calendar months of usage
-- parameters: none
-- columns: billing_period, usage_month
SELECT DISTINCT billing_period, toStartOfMonth(usage_date) AS usage_month
FROM core_app_costs_daily_current
ORDER BY billing_period, usage_month
