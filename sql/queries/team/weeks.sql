-- purpose: weekly cost of the chosen teams, ISO weeks in UTC, the last 13
-- parameters: teams Array(String)
-- columns: iso_week, week_start, days, billing_currency, billed_cost
SELECT
    w.iso_week AS iso_week,
    w.week_start AS week_start,
    max(w.days) AS days,
    toString(w.billing_currency) AS billing_currency,
    CAST(sum(CAST(w.billed_cost AS Decimal(76, 18))) AS Decimal(38, 18)) AS billed_cost
FROM mart_team_costs_weekly_current AS w
WHERE team IN {teams:Array(String)}
  AND w.week_start > (SELECT max(week_start) FROM mart_team_costs_weekly_current) - 13 * 7
GROUP BY iso_week, week_start, billing_currency
ORDER BY week_start, billing_currency
