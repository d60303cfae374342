-- purpose: the newest complete day of cost of every billing source, in its newest published month
-- parameters: none
-- columns: source_name, newest_day
-- A day is complete when usage has been charged to its end: an hourly bill that reaches 17:00 has no complete today.
-- Charges longer than a day (purchases, subscriptions) end in the future and say nothing about that.
WITH
    newest AS
(
    SELECT substring(scope, length('billing/') + 1) AS source_name, max(head.period) AS billing_period
    FROM (SELECT toString(scope) AS scope, period, argMax(rows, seq) AS held FROM period_head GROUP BY scope, period) AS head
    WHERE startsWith(scope, 'billing/') AND head.held > 0
    GROUP BY source_name
),
    costs.ChargePeriodEnd <= costs.ChargePeriodStart + INTERVAL 1 DAY AS is_daily
SELECT
    toString(x_SourceName) AS source_name,
    if(
        countIf(is_daily) = 0,
        max(toDate(costs.ChargePeriodStart)),
        least(max(toDate(costs.ChargePeriodStart)), toDate(maxIf(costs.ChargePeriodEnd, is_daily)) - 1)
    ) AS newest_day
FROM raw_focus_costs_published AS costs
WHERE (toString(x_SourceName), x_BillingPeriod) IN (SELECT source_name, billing_period FROM newest)
GROUP BY source_name
ORDER BY source_name
