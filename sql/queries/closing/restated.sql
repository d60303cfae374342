-- purpose: what a provider changed in a month between two sets of batches of its bill, at the grain of a statement line, by
--   the identities the month was closed with: of several batches of them the first that knows a charge's identity holds.
--   What shared cost rules take from is left out: closing/restated_pools has it
-- parameters: billing_period Date, before Array(UUID), now Array(UUID) (of raw_focus_costs), identities Array(UUID), pools
--   Array(String) (apps rules take from; none: all charges are here)
-- columns: billing_currency, cost_center, team, app_id, source_name, provider, service_name, charge_category, charge_class,
--   attribution_rule, billed_cost Decimal(38, 18), effective_cost Decimal(38, 18)
SELECT
    toString(BillingCurrency) AS billing_currency,
    (part.1).cost_center AS cost_center,
    if((part.1).app_id = '', 'unassigned', (part.1).team) AS team,
    if((part.1).app_id = '', 'unallocated', (part.1).app_id) AS app_id,
    toString(x_SourceName) AS source_name,
    coalesce(toString(ServiceProviderName), toString(ProviderName), '') AS provider,
    toString(ServiceName) AS service_name,
    toString(ChargeCategory) AS charge_category,
    ifNull(toString(ChargeClass), '') AS charge_class,
    if((part.1).app_id = '', 'unallocated', (part.1).rule) AS attribution_rule,
    CAST(
        sumIf(part.4, has({now:Array(UUID)}, x_BatchId)) - sumIf(part.4, has({before:Array(UUID)}, x_BatchId)),
        'Decimal(38, 18)'
    ) AS billed_cost,
    CAST(
        sumIf(part.5, has({now:Array(UUID)}, x_BatchId)) - sumIf(part.5, has({before:Array(UUID)}, x_BatchId)),
        'Decimal(38, 18)'
    ) AS effective_cost
FROM
(
    SELECT
        x_SourceName, x_BatchId, ChargePeriodStart, ChargePeriodEnd, ServiceProviderName, ProviderName, ServiceName,
        ChargeCategory, ChargeClass, BillingCurrency, BilledCost, EffectiveCost,
        -- shared: shared/charge_parts
    FROM raw_focus_costs AS costs
    -- shared: shared/first_identities
    WHERE costs.x_BillingPeriod = {billing_period:Date}
        AND has(arrayConcat({before:Array(UUID)}, {now:Array(UUID)}), costs.x_BatchId)
)
WHERE NOT has({pools:Array(String)}, app_id)
GROUP BY ALL
HAVING billed_cost != 0 OR effective_cost != 0
ORDER BY ALL
