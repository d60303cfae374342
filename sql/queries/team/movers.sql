-- purpose: the apps of the chosen teams whose cost moved most, up and down, per currency: the days of this ISO week so far
--   against the same days of the last one
-- parameters: teams Array(String), cost_day Date (the newest day with cost), row_limit UInt32 (per currency and direction)
-- columns: app_id, billing_currency, this_week, last_week, change
WITH toMonday({cost_day:Date}) AS monday
SELECT app_id, billing_currency, this_week, last_week, this_week - last_week AS change
FROM
(
    SELECT
        app_id,
        toString(c.billing_currency) AS billing_currency,
        CAST(sumIf(CAST(billed_cost AS Decimal(76, 18)), usage_date >= monday) AS Decimal(38, 18)) AS this_week,
        CAST(sumIf(CAST(billed_cost AS Decimal(76, 18)), usage_date <= {cost_day:Date} - 7) AS Decimal(38, 18)) AS last_week
    FROM core_app_costs_daily_current AS c
    WHERE team IN {teams:Array(String)}
      AND usage_date >= monday - 7
      AND usage_date <= {cost_day:Date}
    GROUP BY app_id, billing_currency
)
WHERE change != 0
ORDER BY billing_currency, abs(change) DESC, app_id
LIMIT {row_limit:UInt32} BY billing_currency, change > 0
