-- purpose: what a month cost, at the grain of a statement line, from one batch that need not be published yet; in no order
-- parameters: billing_period Date, batch_id UUID (of core_app_costs_daily)
-- columns: billing_currency, cost_center, team, app_id, source_name, provider, service_name, charge_category, charge_class,
--   attribution_rule, billed_cost Decimal(38, 18), effective_cost Decimal(38, 18)
SELECT
    toString(costs.billing_currency) AS billing_currency,
    toString(costs.cost_center) AS cost_center,
    toString(costs.team) AS team,
    app_id,
    toString(costs.source_name) AS source_name,
    toString(costs.provider) AS provider,
    toString(costs.service_name) AS service_name,
    toString(costs.charge_category) AS charge_category,
    toString(costs.charge_class) AS charge_class,
    toString(costs.attribution_rule) AS attribution_rule,
    CAST(sum(toDecimal256(costs.billed_cost, 18)), 'Decimal(38, 18)') AS billed_cost,
    CAST(sum(toDecimal256(costs.effective_cost, 18)), 'Decimal(38, 18)') AS effective_cost
FROM core_app_costs_daily AS costs
WHERE billing_period = {billing_period:Date} AND batch_id = {batch_id:UUID}
GROUP BY ALL
