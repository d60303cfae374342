-- purpose: charges of usage of every day in the two newest published months of each source, as far as a day can be over
-- parameters: until Date (the last day that can be over)
-- columns: source_name, usage_date, usage_rows
-- The same months as freshness/cost_days. A day without any has no row.
WITH
    newest AS
(
    SELECT
        substring(scope, length('billing/') + 1) AS source_name,
        arrayJoin(arraySlice(arrayReverseSort(groupArray(head.period)), 1, 2)) AS billing_period
    FROM (SELECT toString(scope) AS scope, period, argMax(rows, (fence, seq)) AS held FROM period_head GROUP BY scope, period) AS head
    WHERE startsWith(scope, 'billing/') AND head.held > 0 AND head.period <= {until:Date}
    GROUP BY source_name
)
SELECT toString(x_SourceName) AS source_name, toDate(costs.ChargePeriodStart) AS usage_date, count() AS usage_rows
FROM raw_focus_costs_published AS costs
WHERE (toString(x_SourceName), x_BillingPeriod) IN (SELECT source_name, billing_period FROM newest)
    AND costs.ChargeCategory = 'Usage' AND ifNull(toString(costs.ChargeClass), '') = ''
    AND toDate(costs.ChargePeriodStart) <= {until:Date}
    AND toDate(costs.ChargePeriodStart) >= (SELECT min(billing_period) FROM newest)
GROUP BY source_name, usage_date
ORDER BY source_name, usage_date
