-- purpose: what a month of the bill cost by whether a commitment had to do with it, and whose the commitment is
-- parameters: billing_period Date, sources Array(String), batches Array(UUID) (of raw_focus_costs), identities_batch UUID
-- columns: source_name, billing_currency, charge_category, commitment_status (empty for none), is_commitment Bool,
--   commitment_id, commitment_name, app_id, team (empty where no commitment has to do with it), billed_cost, effective_cost
--   Decimal(38, 18)
SELECT
    toString(costs.x_SourceName) AS source_name,
    toString(costs.BillingCurrency) AS billing_currency,
    toString(costs.ChargeCategory) AS charge_category,
    ifNull(toString(costs.CommitmentDiscountStatus), '') AS commitment_status,
    CAST(
        commitment_id != '' OR commitment_status != '' OR ifNull(toString(costs.PricingCategory), '') = 'Committed' AS Bool
    ) AS is_commitment,
    ifNull(toString(costs.CommitmentDiscountId), '') AS commitment_id,
    if(is_commitment, ifNull(toString(costs.CommitmentDiscountName), ''), '') AS commitment_name,
    multiIf(NOT is_commitment, '', identity.app_id = '', 'unallocated', identity.app_id) AS app_id,
    multiIf(NOT is_commitment, '', identity.app_id = '', 'unassigned', toString(identity.team)) AS team,
    CAST(sum(toDecimal256(costs.BilledCost, 18)), 'Decimal(38, 18)') AS billed_cost,
    CAST(sum(toDecimal256(costs.EffectiveCost, 18)), 'Decimal(38, 18)') AS effective_cost
FROM raw_focus_costs AS costs
ASOF LEFT JOIN
(
    SELECT x_IdentityHash AS identity_hash, valid_from, app_id, team
    FROM core_identities
    WHERE batch_id = {identities_batch:UUID}
) AS identity
ON identity.identity_hash = costs.x_IdentityHash AND toDate(costs.ChargePeriodStart) >= identity.valid_from
WHERE costs.x_BillingPeriod = {billing_period:Date} AND costs.x_SourceName IN {sources:Array(String)}
    AND costs.x_BatchId IN {batches:Array(UUID)}
GROUP BY ALL
ORDER BY ALL
