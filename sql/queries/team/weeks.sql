-- purpose: weekly cost of the chosen teams, ISO weeks in UTC, the last 13: usage, which can be compared, and the other charges.
--   Weeks computed before lines were kept apart are not told: their usage is not known
-- parameters: teams Array(String)
-- columns: iso_week, week_start, days, billing_currency, usage_cost, other_cost Decimal(38, 18)
SELECT
    w.iso_week AS iso_week,
    w.week_start AS week_start,
    max(w.days) AS days,
    toString(w.billing_currency) AS billing_currency,
    CAST(sumIf(CAST(w.billed_cost AS Decimal(76, 18)), is_usage) AS Decimal(38, 18)) AS usage_cost,
    CAST(sumIf(CAST(w.billed_cost AS Decimal(76, 18)), NOT is_usage) AS Decimal(38, 18)) AS other_cost
FROM (SELECT *, charge_category = 'Usage' AND charge_class = '' AS is_usage FROM mart_team_costs_weekly_current) AS w
WHERE team IN {teams:Array(String)}
  AND w.charge_category != ''
  AND w.week_start > (SELECT max(week_start) FROM mart_team_costs_weekly_current) - 13 * 7
GROUP BY iso_week, week_start, billing_currency
ORDER BY week_start, billing_currency
