-- purpose: what one app was given of a billing month by the bill itself: by which rule and evidence, and how many rows of which
--   objects say so; before shared cost rules take or give
-- parameters: app_id String, billing_period Date, identities_batch UUID
-- columns: attribution_rule, confidence, evidence, service_name, charge_category, billing_currency, rows UInt64, objects UInt64,
--   first_object, billed_cost Decimal(38, 18), effective_cost Decimal(38, 18)
SELECT
    if((costs.part.1).app_id = '', 'unallocated', (costs.part.1).rule) AS attribution_rule,
    (costs.part.1).confidence AS confidence,
    reason.evidence AS evidence,
    toString(costs.ServiceName) AS service_name,
    toString(costs.ChargeCategory) AS charge_category,
    toString(costs.BillingCurrency) AS billing_currency,
    count() AS rows,
    uniqExact(costs.x_ObjectName) AS objects,
    toString(min(costs.x_ObjectName)) AS first_object,
    CAST(sum(costs.part.4), 'Decimal(38, 18)') AS billed_cost,
    CAST(sum(costs.part.5), 'Decimal(38, 18)') AS effective_cost
FROM
(
    SELECT
        x_IdentityHash, ServiceName, ChargeCategory, BillingCurrency, x_ObjectName, ChargePeriodStart, ChargePeriodEnd, BilledCost,
        EffectiveCost, identity.identity_service AS identity_service,
        -- shared: shared/charge_parts
    FROM raw_focus_costs_published AS costs
    -- shared: shared/identity_join
    WHERE costs.x_BillingPeriod = {billing_period:Date}
) AS costs
LEFT JOIN
(
    SELECT x_IdentityHash, service_name, holds_from, evidence FROM core_identities WHERE batch_id = {identities_batch:UUID}
) AS reason
ON reason.x_IdentityHash = costs.x_IdentityHash AND reason.service_name = costs.identity_service
    AND reason.holds_from = (costs.part.1).holds_from
WHERE if((costs.part.1).app_id = '', 'unallocated', (costs.part.1).app_id) = {app_id:String}
GROUP BY ALL
ORDER BY billing_currency, abs(billed_cost) DESC, attribution_rule, evidence, service_name, charge_category
