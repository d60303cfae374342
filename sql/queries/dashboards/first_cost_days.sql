-- purpose: the first day of usage of anybody in each currency: before it there is nothing to compare with
-- parameters: teams Array(String), the viewer's; without one there is no row
-- columns: billing_currency, first_day
SELECT toString(costs.billing_currency) AS billing_currency, min(usage_date) AS first_day
FROM core_app_costs_daily_current AS costs
WHERE charge_category = 'Usage' AND charge_class = '' AND notEmpty({teams:Array(String)})
GROUP BY costs.billing_currency
ORDER BY billing_currency
