-- purpose: what one app was given of a billing month by the bill itself: by which rule and evidence, and how many rows of which
--   objects say so; before shared cost rules take or give
-- parameters: app_id String, billing_period Date
-- columns: attribution_rule, confidence, evidence, service_name, charge_category, billing_currency, rows UInt64, objects UInt64,
--   first_object, billed_cost Decimal(38, 18), effective_cost Decimal(38, 18)
SELECT
    if(identity.app_id = '', 'unallocated', toString(identity.attribution_rule)) AS attribution_rule,
    identity.confidence AS confidence,
    identity.evidence AS evidence,
    toString(costs.ServiceName) AS service_name,
    toString(costs.ChargeCategory) AS charge_category,
    toString(costs.BillingCurrency) AS billing_currency,
    count() AS rows,
    uniqExact(costs.x_ObjectName) AS objects,
    toString(min(costs.x_ObjectName)) AS first_object,
    CAST(sum(toDecimal256(costs.BilledCost, 18)), 'Decimal(38, 18)') AS billed_cost,
    CAST(sum(toDecimal256(costs.EffectiveCost, 18)), 'Decimal(38, 18)') AS effective_cost
FROM raw_focus_costs_published AS costs
ASOF LEFT JOIN
(
    SELECT x_IdentityHash AS identity_hash, valid_from, app_id, attribution_rule, confidence, evidence FROM core_identities_current
) AS identity
ON identity.identity_hash = costs.x_IdentityHash AND toDate(costs.ChargePeriodStart) >= identity.valid_from
WHERE costs.x_BillingPeriod = {billing_period:Date}
    AND if(identity.app_id = '', 'unallocated', identity.app_id) = {app_id:String}
GROUP BY ALL
ORDER BY billing_currency, abs(billed_cost) DESC, attribution_rule, evidence, service_name, charge_category
