-- purpose: what one app costs in a billing month as it is published, by team and currency
-- parameters: app_id String, billing_period Date
-- columns: team, billing_currency, billed_cost Decimal(38, 18), effective_cost Decimal(38, 18)
SELECT
    toString(costs.team) AS team,
    toString(costs.billing_currency) AS billing_currency,
    CAST(sum(toDecimal256(costs.billed_cost, 18)), 'Decimal(38, 18)') AS billed_cost,
    CAST(sum(toDecimal256(costs.effective_cost, 18)), 'Decimal(38, 18)') AS effective_cost
FROM core_app_costs_daily_current AS costs
WHERE billing_period = {billing_period:Date} AND app_id = {app_id:String}
GROUP BY team, billing_currency
ORDER BY billing_currency, team
