-- purpose: what each rule of attribution gave to apps in a billing month, in money, and what none did
-- parameters: teams Array(String), billing_period Date
-- columns: attribution_rule, basis, billing_currency, resources, apps, charges, most_spans (that name one), first_seen, last_seen (NULL but for
--   telemetry), billed_cost Decimal(38, 18), effective_cost Decimal(38, 18)
SELECT
    toString(costs.attribution_rule) AS attribution_rule,
    toString(costs.basis) AS basis,
    toString(costs.billing_currency) AS billing_currency,
    uniqExactIf(resource_id, resource_id != '') AS resources,
    uniqExactIf(app_id, app_id != 'unallocated') AS apps,
    sum(costs.charges) AS charges,
    maxOrNullIf(costs.spans, costs.spans > 0) AS most_spans,
    minOrNullIf(costs.first_seen, costs.spans > 0) AS first_seen,
    maxOrNullIf(costs.last_seen, costs.spans > 0) AS last_seen,
    CAST(sum(toDecimal256(costs.billed_cost, 18)), 'Decimal(38, 18)') AS billed_cost,
    CAST(sum(toDecimal256(costs.effective_cost, 18)), 'Decimal(38, 18)') AS effective_cost
FROM core_identity_costs_current AS costs
WHERE billing_period = {billing_period:Date} AND team IN {teams:Array(String)}
GROUP BY attribution_rule, basis, billing_currency
ORDER BY billing_currency, billed_cost DESC, attribution_rule, basis
