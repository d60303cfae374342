-- purpose: cost of the chosen teams in this ISO week so far and in the same days of the last one, in the billing month
--   of the day so far and in the whole month before
-- parameters: teams Array(String), cost_day Date (the newest day with cost)
-- columns: billing_currency, this_week, last_week, month_so_far, month_before
WITH
    toMonday({cost_day:Date}) AS monday,
    toStartOfMonth({cost_day:Date}) AS month
SELECT
    toString(c.billing_currency) AS billing_currency,
    CAST(sumIf(CAST(billed_cost AS Decimal(76, 18)), usage_date >= monday AND usage_date <= {cost_day:Date}) AS Decimal(38, 18)) AS this_week,
    CAST(sumIf(CAST(billed_cost AS Decimal(76, 18)), usage_date >= monday - 7 AND usage_date <= {cost_day:Date} - 7) AS Decimal(38, 18)) AS last_week,
    CAST(sumIf(CAST(billed_cost AS Decimal(76, 18)), billing_period = month) AS Decimal(38, 18)) AS month_so_far,
    CAST(sumIf(CAST(billed_cost AS Decimal(76, 18)), billing_period = toStartOfMonth(month - 1)) AS Decimal(38, 18)) AS month_before
FROM core_app_costs_daily_current AS c
WHERE team IN {teams:Array(String)}
  AND (
        (usage_date >= monday - 7 AND usage_date <= {cost_day:Date})
        OR (billing_period >= toStartOfMonth(month - 1) AND billing_period <= month)
    )
GROUP BY billing_currency
ORDER BY billing_currency
