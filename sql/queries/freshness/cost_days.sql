-- purpose: the newest complete day of cost of every billing source, in its two newest published months, as far as a day can be over
-- parameters: until Date (the last day that can be over: no charge of a later day, no later month says that it is complete)
-- columns: source_name, newest_day
-- A day is complete when usage has been charged to its end: an hourly bill that reaches 17:00 has no complete today. A tax or a
-- purchase of one day says nothing about usage; they decide only where a bill holds nothing else. Charges longer than a day
-- (subscriptions) end in the future and say nothing about that. A month that has begun with purchases alone leaves it to the
-- month before.
WITH
    newest AS
(
    SELECT
        substring(scope, length('billing/') + 1) AS source_name,
        arrayJoin(arraySlice(arrayReverseSort(groupArray(head.period)), 1, 2)) AS billing_period
    FROM (SELECT toString(scope) AS scope, period, argMax(rows, (fence, seq)) AS held FROM period_head GROUP BY scope, period) AS head
    WHERE startsWith(scope, 'billing/') AND head.held > 0 AND head.period <= {until:Date}
    GROUP BY source_name
),
    toDate(costs.ChargePeriodStart) AS day,
    costs.ChargePeriodEnd <= costs.ChargePeriodStart + INTERVAL 1 DAY AS is_daily,
    costs.ChargeCategory = 'Usage' AS is_usage
SELECT
    toString(x_SourceName) AS source_name,
    multiIf(
        countIf(is_usage AND is_daily) > 0, least(maxIf(day, is_usage), toDate(maxIf(costs.ChargePeriodEnd, is_usage AND is_daily)) - 1),
        countIf(is_usage) > 0, maxIf(day, is_usage),
        countIf(is_daily) > 0, least(max(day), toDate(maxIf(costs.ChargePeriodEnd, is_daily)) - 1),
        max(day)
    ) AS newest_day
FROM raw_focus_costs_published AS costs
WHERE (toString(x_SourceName), x_BillingPeriod) IN (SELECT source_name, billing_period FROM newest)
    AND toDate(costs.ChargePeriodStart) <= {until:Date}
GROUP BY source_name
ORDER BY source_name
