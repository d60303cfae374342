-- purpose: what each identity of the bill cost in one billing month, who it went to and why, from the published bill and one
--   batch of identities; parts of a charge that is cut at a change of owner stand apart, with their time
-- parameters: billing_period Date, batch_id UUID, identities_batch UUID
-- columns: none
INSERT INTO core_identity_costs
(
    billing_period, source_name, x_IdentityHash, service_name, resource_id, app_id, team, cost_center, attribution_rule,
    basis, confidence, evidence, spans, first_seen, last_seen, covered, owner_basis, charge_start, charge_end, owned_from,
    owned_to, billing_currency, charges, billed_cost, effective_cost, batch_id
)
SELECT
    {billing_period:Date},
    bill.source,
    bill.hash,
    bill.service,
    bill.resource,
    if(told.app_id = '', 'unallocated', told.app_id),
    if(told.app_id = '', 'unassigned', toString(told.team)),
    told.cost_center,
    if(told.app_id = '', 'unallocated', toString(told.attribution_rule)),
    if(told.app_id = '', 'unallocated', toString(told.basis)),
    told.confidence,
    told.evidence,
    told.spans,
    told.first_seen,
    told.last_seen,
    told.covered,
    if(bill.is_cut, 'owner_changed', ''),
    bill.began,
    bill.ended,
    bill.taken,
    bill.given,
    bill.currency,
    bill.charges,
    bill.billed,
    bill.effective,
    {batch_id:UUID}
FROM
(
    SELECT
        x_SourceName AS source,
        x_IdentityHash AS hash,
        -- shared: shared/identity_service_name
        AS told_service,
        toDateTime64(0, 9, 'UTC') AS told_from,
        true AS is_told,
        ServiceName AS service,
        any(ifNull(ResourceId, '')) AS resource,
        false AS is_cut,
        told_from AS began, told_from AS ended, told_from AS taken, told_from AS given,
        BillingCurrency AS currency,
        count() AS charges,
        CAST(sum(toDecimal256(BilledCost, 18)), 'Decimal(38, 18)') AS billed,
        CAST(sum(toDecimal256(EffectiveCost, 18)), 'Decimal(38, 18)') AS effective
    FROM raw_focus_costs_published AS costs
    WHERE costs.x_BillingPeriod = {billing_period:Date} AND costs.x_IdentityHash NOT IN
    (
        -- shared: shared/changing_identities
    )
    GROUP BY source, hash, service, currency
    UNION ALL
    SELECT
        x_SourceName,
        x_IdentityHash,
        identity_service AS told_service,
        (part.1).holds_from AS told_from,
        (part.1).rule != '' AS is_told,
        ServiceName,
        any(ifNull(ResourceId, '')),
        length(starts) > 1 AS is_cut,
        if(is_cut, ChargePeriodStart, toDateTime64(0, 9, 'UTC')) AS began,
        if(is_cut, ChargePeriodEnd, toDateTime64(0, 9, 'UTC')) AS ended,
        if(is_cut, part.2, toDateTime64(0, 9, 'UTC')) AS taken,
        if(is_cut, part.3, toDateTime64(0, 9, 'UTC')) AS given,
        BillingCurrency,
        countIf(part.6 = 1),
        CAST(sum(part.4), 'Decimal(38, 18)'),
        CAST(sum(part.5), 'Decimal(38, 18)')
    FROM
    (
        SELECT
            ChargePeriodStart, ChargePeriodEnd, x_SourceName, ServiceName, x_IdentityHash, ResourceId, BillingCurrency,
            BilledCost, EffectiveCost, identity.identity_service AS identity_service,
            -- shared: shared/charge_parts
        FROM raw_focus_costs_published AS costs
        -- shared: shared/identity_join
        WHERE costs.x_BillingPeriod = {billing_period:Date} AND costs.x_IdentityHash IN
        (
            -- shared: shared/changing_identities
        )
    )
    GROUP BY
        x_SourceName, x_IdentityHash, told_service, told_from, is_told, ServiceName, is_cut, began, ended, taken, given,
        BillingCurrency
) AS bill
LEFT JOIN
(
    SELECT
        x_IdentityHash, service_name, holds_from, app_id, team, cost_center, attribution_rule, basis, confidence, evidence, spans,
        first_seen, last_seen, covered
    FROM core_identities
    WHERE batch_id = {identities_batch:UUID}
) AS told
ON told.x_IdentityHash = bill.hash AND told.service_name = bill.told_service AND told.holds_from = bill.told_from AND bill.is_told
