-- purpose: what apps cost on each day of a billing month by what is theirs, without what shared cost rules gave: a weight of those
--   rules, and the apps the registry does not know; in no order
-- parameters: billing_period Date, batch_id UUID (of core_app_costs_daily)
-- columns: usage_date, app_id, billing_currency, effective_cost Decimal(38, 18), team, cost_center
SELECT
    usage_date,
    app_id,
    toString(costs.billing_currency) AS billing_currency,
    CAST(sum(toDecimal256(costs.effective_cost, 18)), 'Decimal(38, 18)') AS effective_cost,
    max(toString(costs.team)) AS team,
    max(toString(costs.cost_center)) AS cost_center
FROM core_app_costs_daily AS costs
WHERE billing_period = {billing_period:Date} AND batch_id = {batch_id:UUID} AND app_id != 'unallocated'
    AND NOT match(toString(costs.attribution_rule), '^(shared|idle):')
GROUP BY usage_date, app_id, billing_currency
