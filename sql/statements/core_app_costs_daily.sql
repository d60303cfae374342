-- purpose: daily cost per app of one billing month from the published bill and one batch of identities; sums run in
--   256 bits and are cast back, which fails where they do not fit
-- parameters: billing_period Date, batch_id UUID, identities_batch UUID, pools Array(String) (apps whose cost is shared by
--   rules and written apart: queries/costs/pools)
-- columns: none
INSERT INTO core_app_costs_daily
(
    billing_period, usage_date, source_name, app_id, team, cost_center, environment, provider, service_name,
    charge_category, charge_class, charge_frequency, billing_currency, billed_cost, effective_cost, attribution_rule, confidence, batch_id
)
SELECT
    costs.x_BillingPeriod AS billing_period,
    toDate(costs.ChargePeriodStart) AS usage_date,
    costs.x_SourceName AS source_name,
    if(identity.app_id = '', 'unallocated', identity.app_id) AS app,
    if(identity.app_id = '', 'unassigned', toString(identity.team)) AS owner,
    toString(identity.cost_center) AS center,
    toString(identity.environment) AS environment_tag,
    coalesce(toString(costs.ServiceProviderName), toString(costs.ProviderName), '') AS provider,
    costs.ServiceName AS service_name,
    costs.ChargeCategory AS charge_category,
    ifNull(toString(costs.ChargeClass), '') AS class,
    ifNull(toString(costs.ChargeFrequency), '') AS frequency,
    costs.BillingCurrency AS billing_currency,
    CAST(sum(toDecimal256(costs.BilledCost, 18)), 'Decimal(38, 18)') AS billed_cost,
    CAST(sum(toDecimal256(costs.EffectiveCost, 18)), 'Decimal(38, 18)') AS effective_cost,
    if(identity.app_id = '', 'unallocated', toString(identity.attribution_rule)) AS rule,
    identity.confidence AS sureness,
    {batch_id:UUID} AS batch
FROM raw_focus_costs_published AS costs
ASOF LEFT JOIN
(
    SELECT x_IdentityHash AS identity_hash, valid_from, app_id, team, cost_center, environment, attribution_rule, confidence
    FROM core_identities
    WHERE batch_id = {identities_batch:UUID}
) AS identity
ON identity.identity_hash = costs.x_IdentityHash AND toDate(costs.ChargePeriodStart) >= identity.valid_from
WHERE costs.x_BillingPeriod = {billing_period:Date} AND NOT has({pools:Array(String)}, app)
GROUP BY
    billing_period, usage_date, source_name, app, owner, center, environment_tag, provider, service_name,
    charge_category, class, frequency, billing_currency, rule, sureness
