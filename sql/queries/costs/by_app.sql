-- purpose: what apps cost in a billing month as it is published, apart what is theirs and what shared cost rules gave or kept
-- parameters: billing_period Date
-- columns: app_id, team, billing_currency, is_shared Bool, billed_cost Decimal(38, 18), effective_cost Decimal(38, 18)
SELECT
    app_id,
    toString(costs.team) AS team,
    toString(costs.billing_currency) AS billing_currency,
    CAST(match(toString(costs.attribution_rule), '^(shared|idle):'), 'Bool') AS is_shared,
    CAST(sum(toDecimal256(costs.billed_cost, 18)), 'Decimal(38, 18)') AS billed_cost,
    CAST(sum(toDecimal256(costs.effective_cost, 18)), 'Decimal(38, 18)') AS effective_cost
FROM core_app_costs_daily_current AS costs
WHERE billing_period = {billing_period:Date}
GROUP BY app_id, team, billing_currency, is_shared
ORDER BY app_id, team, billing_currency, is_shared
