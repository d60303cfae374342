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
    multiIf(NOT is_commitment, '', (costs.part.1).app_id = '', 'unallocated', (costs.part.1).app_id) AS app_id,
    multiIf(NOT is_commitment, '', (costs.part.1).app_id = '', 'unassigned', (costs.part.1).team) AS team,
    CAST(sum(costs.part.4), 'Decimal(38, 18)') AS billed_cost,
    CAST(sum(costs.part.5), 'Decimal(38, 18)') AS effective_cost
FROM
(
    SELECT
        x_SourceName, BillingCurrency, ChargeCategory, CommitmentDiscountStatus, PricingCategory, CommitmentDiscountId,
        CommitmentDiscountName, ChargePeriodStart, ChargePeriodEnd, BilledCost, EffectiveCost,
        -- shared: shared/charge_parts
    FROM raw_focus_costs AS costs
    -- shared: shared/identity_join
    WHERE costs.x_BillingPeriod = {billing_period:Date} AND costs.x_SourceName IN {sources:Array(String)}
        AND costs.x_BatchId IN {batches:Array(UUID)}
) AS costs
GROUP BY ALL
ORDER BY ALL
