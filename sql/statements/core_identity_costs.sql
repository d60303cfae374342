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
    {billing_period:Date} AS month,
    bill.source,
    bill.hash,
    bill.service,
    bill.resource,
    if(bill.app = '', 'unallocated', bill.app),
    if(bill.app = '', 'unassigned', bill.owner),
    bill.center,
    if(bill.app = '', 'unallocated', bill.rule),
    if(bill.app = '', 'unallocated', toString(told.basis)),
    bill.sureness,
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
        toString(x_SourceName) AS source,
        x_IdentityHash AS hash,
        identity_service AS told_service,
        (part.1).holds_from AS told_from,
        toString(ServiceName) AS service,
        any(ifNull(ResourceId, '')) AS resource,
        (part.1).app_id AS app,
        (part.1).team AS owner,
        (part.1).cost_center AS center,
        (part.1).rule AS rule,
        (part.1).confidence AS sureness,
        length(starts) > 1 AS is_cut,
        if(is_cut, ChargePeriodStart, toDateTime64(0, 9, 'UTC')) AS began,
        if(is_cut, ChargePeriodEnd, toDateTime64(0, 9, 'UTC')) AS ended,
        if(is_cut, part.2, toDateTime64(0, 9, 'UTC')) AS taken,
        if(is_cut, part.3, toDateTime64(0, 9, 'UTC')) AS given,
        toString(BillingCurrency) AS currency,
        countIf(part.6 = 1) AS charges,
        CAST(sum(part.4), 'Decimal(38, 18)') AS billed,
        CAST(sum(part.5), 'Decimal(38, 18)') AS effective
    FROM
    (
        SELECT
            ChargePeriodStart, ChargePeriodEnd, x_SourceName, ServiceName, x_IdentityHash, ResourceId, BillingCurrency,
            BilledCost, EffectiveCost, identity.identity_service AS identity_service,
            -- shared: shared/charge_parts
        FROM raw_focus_costs_published AS costs
        -- shared: shared/identity_join
        WHERE costs.x_BillingPeriod = {billing_period:Date}
    )
    GROUP BY
        source, hash, told_service, told_from, service, app, owner, center, rule, sureness, is_cut, began, ended, taken, given,
        currency
) AS bill
LEFT JOIN
(
    SELECT x_IdentityHash, service_name, holds_from, basis, evidence, spans, first_seen, last_seen, covered
    FROM core_identities
    WHERE batch_id = {identities_batch:UUID}
) AS told
ON told.x_IdentityHash = bill.hash AND told.service_name = bill.told_service AND told.holds_from = bill.told_from
