-- purpose: cost of a team's apps in the days of this ISO week so far and in the same days of the last one
-- parameters: teams Array(String), cost_day Date (the newest day with cost)
-- columns: app_id, billing_currency, this_week, last_week (same days), last_week_whole
WITH toMonday({cost_day:Date}) AS monday
SELECT
    app_id,
    toString(c.billing_currency) AS billing_currency,
    CAST(sumIf(CAST(billed_cost AS Decimal(76, 18)), usage_date >= monday) AS Decimal(38, 18)) AS this_week,
    CAST(sumIf(CAST(billed_cost AS Decimal(76, 18)), usage_date <= {cost_day:Date} - 7) AS Decimal(38, 18)) AS last_week,
    CAST(sumIf(CAST(billed_cost AS Decimal(76, 18)), usage_date < monday) AS Decimal(38, 18)) AS last_week_whole
FROM core_app_costs_daily_current AS c
WHERE team IN {teams:Array(String)}
  AND usage_date >= monday - 7
  AND usage_date <= {cost_day:Date}
GROUP BY app_id, billing_currency
