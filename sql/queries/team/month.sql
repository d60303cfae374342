-- purpose: cost of the chosen teams in the billing month of a day so far, and in the whole month before
-- parameters: teams Array(String), cost_day Date
-- columns: billing_currency, month_so_far, month_before
SELECT
    toString(c.billing_currency) AS billing_currency,
    CAST(sumIf(CAST(billed_cost AS Decimal(76, 18)), billing_period = toStartOfMonth({cost_day:Date})) AS Decimal(38, 18)) AS month_so_far,
    CAST(sumIf(CAST(billed_cost AS Decimal(76, 18)), billing_period < toStartOfMonth({cost_day:Date})) AS Decimal(38, 18)) AS month_before
FROM core_app_costs_daily_current AS c
WHERE team IN {teams:Array(String)}
  AND billing_period >= toStartOfMonth(toStartOfMonth({cost_day:Date}) - 1)
  AND billing_period <= toStartOfMonth({cost_day:Date})
GROUP BY billing_currency
ORDER BY billing_currency
