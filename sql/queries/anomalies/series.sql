-- purpose: daily effective cost of usage per app and currency, sorted, for the detector
-- parameters: as_of Date
-- columns: app_id, billing_currency, usage_date, team, cost
-- Taxes, credits, purchases and corrections are not usage: they would be found as anomalies every month.
SELECT
    app_id,
    toString(billing_currency) AS billing_currency,
    usage_date,
    toString(any(team)) AS team,
    CAST(sum(toDecimal256(costs.effective_cost, 18)), 'Decimal(38, 18)') AS cost
FROM core_app_costs_daily_current AS costs
WHERE charge_category = 'Usage' AND charge_class = '' AND app_id != 'unallocated' AND usage_date <= {as_of:Date}
GROUP BY app_id, billing_currency, usage_date
ORDER BY app_id, billing_currency, usage_date
