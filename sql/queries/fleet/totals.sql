-- purpose: billed cost of the viewer's teams in the 30 days to a day and in the 30 before, and what nobody owns
-- parameters: teams Array(String), cost_day Date
-- columns: billing_currency, billed, billed_before, unallocated, billed_apps (apps with a row in the 30 days)
WITH {cost_day:Date} - 29 AS first_day
SELECT
    toString(billing_currency) AS billing_currency,
    CAST(sumIf(CAST(billed_cost AS Decimal(76, 18)), usage_date >= first_day) AS Decimal(38, 18)) AS billed,
    CAST(sumIf(CAST(billed_cost AS Decimal(76, 18)), usage_date < first_day) AS Decimal(38, 18)) AS billed_before,
    CAST(sumIf(CAST(billed_cost AS Decimal(76, 18)), usage_date >= first_day AND app_id = 'unallocated') AS Decimal(38, 18)) AS unallocated,
    uniqExactIf(app_id, usage_date >= first_day AND app_id != 'unallocated') AS billed_apps
FROM core_app_costs_daily_current
WHERE team IN {teams:Array(String)}
  AND usage_date > {cost_day:Date} - 60
  AND usage_date <= {cost_day:Date}
GROUP BY billing_currency
ORDER BY billed_apps DESC, billing_currency
