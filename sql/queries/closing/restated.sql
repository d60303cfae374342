-- purpose: what a provider changed in a month between two sets of batches of its bill, at the grain of a statement line, by
--   the identities the month was closed with: of several batches of them the first that knows a charge's identity holds
-- parameters: billing_period Date, before Array(UUID), now Array(UUID) (of raw_focus_costs), identities Array(UUID)
-- columns: billing_currency, cost_center, team, app_id, source_name, provider, service_name, charge_category, charge_class,
--   attribution_rule, billed_cost Decimal(38, 18), effective_cost Decimal(38, 18)
SELECT
    toString(costs.BillingCurrency) AS billing_currency,
    toString(identity.cost_center) AS cost_center,
    if(identity.app_id = '', 'unassigned', toString(identity.team)) AS team,
    if(identity.app_id = '', 'unallocated', identity.app_id) AS app_id,
    toString(costs.x_SourceName) AS source_name,
    coalesce(toString(costs.ServiceProviderName), toString(costs.ProviderName), '') AS provider,
    toString(costs.ServiceName) AS service_name,
    toString(costs.ChargeCategory) AS charge_category,
    ifNull(toString(costs.ChargeClass), '') AS charge_class,
    if(identity.app_id = '', 'unallocated', toString(identity.attribution_rule)) AS attribution_rule,
    CAST(
        sumIf(toDecimal256(costs.BilledCost, 18), has({now:Array(UUID)}, costs.x_BatchId))
            - sumIf(toDecimal256(costs.BilledCost, 18), has({before:Array(UUID)}, costs.x_BatchId)),
        'Decimal(38, 18)'
    ) AS billed_cost,
    CAST(
        sumIf(toDecimal256(costs.EffectiveCost, 18), has({now:Array(UUID)}, costs.x_BatchId))
            - sumIf(toDecimal256(costs.EffectiveCost, 18), has({before:Array(UUID)}, costs.x_BatchId)),
        'Decimal(38, 18)'
    ) AS effective_cost
FROM raw_focus_costs AS costs
ASOF LEFT JOIN
(
    SELECT x_IdentityHash AS identity_hash, valid_from, core_identities.app_id AS app_id, core_identities.team AS team,
        core_identities.cost_center AS cost_center, core_identities.attribution_rule AS attribution_rule
    FROM core_identities
    WHERE has({identities:Array(UUID)}, core_identities.batch_id)
        AND (x_IdentityHash, indexOf({identities:Array(UUID)}, core_identities.batch_id)) IN
        (
            SELECT x_IdentityHash, min(indexOf({identities:Array(UUID)}, batch_id))
            FROM core_identities
            WHERE has({identities:Array(UUID)}, batch_id)
            GROUP BY x_IdentityHash
        )
) AS identity
ON identity.identity_hash = costs.x_IdentityHash AND toDate(costs.ChargePeriodStart) >= identity.valid_from
WHERE costs.x_BillingPeriod = {billing_period:Date}
    AND has(arrayConcat({before:Array(UUID)}, {now:Array(UUID)}), costs.x_BatchId)
GROUP BY ALL
HAVING billed_cost != 0 OR effective_cost != 0
ORDER BY ALL
