-- purpose: resources of a billing month that no tag of the bill gives to an app: which rule did, by what evidence, what they
--   cost; those that telemetry names for several apps stay with nobody and are told so
-- parameters: teams Array(String), billing_period Date, row_limit UInt32
-- columns: source_name, service_name, resource_id, app_id, team, attribution_rule, basis, confidence, evidence, spans,
--   first_seen, last_seen, billing_currency, charges, billed_cost Decimal(38, 18), effective_cost Decimal(38, 18)
SELECT
    toString(costs.source_name) AS source_name,
    toString(costs.service_name) AS service_name,
    resource_id,
    app_id,
    toString(costs.team) AS team,
    toString(costs.attribution_rule) AS attribution_rule,
    toString(costs.basis) AS basis,
    confidence,
    evidence,
    max(costs.spans) AS spans,
    minOrNullIf(costs.first_seen, costs.spans > 0) AS first_seen,
    maxOrNullIf(costs.last_seen, costs.spans > 0) AS last_seen,
    toString(costs.billing_currency) AS billing_currency,
    sum(costs.charges) AS charges,
    CAST(sum(toDecimal256(costs.billed_cost, 18)), 'Decimal(38, 18)') AS billed_cost,
    CAST(sum(toDecimal256(costs.effective_cost, 18)), 'Decimal(38, 18)') AS effective_cost
FROM core_identity_costs_current AS costs
WHERE billing_period = {billing_period:Date} AND team IN {teams:Array(String)}
    AND basis != 'app_tag'
GROUP BY
    source_name, service_name, resource_id, app_id, team, attribution_rule, basis, confidence, evidence, billing_currency
ORDER BY
    basis = 'unallocated', billing_currency, billed_cost DESC, source_name, service_name, resource_id, app_id, team,
    attribution_rule, basis, confidence, evidence
LIMIT {row_limit:UInt32}
