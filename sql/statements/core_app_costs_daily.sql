-- purpose: daily cost per app of one billing month from the published bill and one batch of identities; a charge whose
--   owner changed within its period is cut at that moment; sums run in 256 bits and are cast back, which fails where they do
--   not fit
-- parameters: billing_period Date, batch_id UUID, identities_batch UUID, pools Array(String) (apps whose cost is shared by
--   rules and written apart: queries/costs/pools)
-- columns: none
INSERT INTO core_app_costs_daily
(
    billing_period, usage_date, source_name, app_id, team, cost_center, environment, provider, service_name,
    charge_category, charge_class, charge_frequency, billing_currency, billed_cost, effective_cost, attribution_rule, confidence, batch_id
)
SELECT
    x_BillingPeriod AS billing_period,
    toDate(ChargePeriodStart) AS usage_date,
    x_SourceName AS source_name,
    if((part.1).app_id = '', 'unallocated', (part.1).app_id) AS app,
    if((part.1).app_id = '', 'unassigned', (part.1).team) AS owner,
    (part.1).cost_center AS center,
    (part.1).environment AS environment_tag,
    coalesce(toString(ServiceProviderName), toString(ProviderName), '') AS provider,
    ServiceName AS service_name,
    ChargeCategory AS charge_category,
    ifNull(toString(ChargeClass), '') AS class,
    ifNull(toString(ChargeFrequency), '') AS frequency,
    BillingCurrency AS billing_currency,
    CAST(sum(part.4), 'Decimal(38, 18)') AS billed_cost,
    CAST(sum(part.5), 'Decimal(38, 18)') AS effective_cost,
    if((part.1).app_id = '', 'unallocated', (part.1).rule) AS rule,
    (part.1).confidence AS sureness,
    {batch_id:UUID} AS batch
FROM
(
    SELECT
        x_BillingPeriod, ChargePeriodStart, ChargePeriodEnd, x_SourceName, ServiceProviderName, ProviderName, ServiceName,
        ChargeCategory, ChargeClass, ChargeFrequency, BillingCurrency, BilledCost, EffectiveCost,
        -- shared: shared/charge_parts
    FROM raw_focus_costs_published AS costs
    -- shared: shared/identity_join
    WHERE costs.x_BillingPeriod = {billing_period:Date}
)
WHERE NOT has({pools:Array(String)}, app)
GROUP BY
    billing_period, usage_date, source_name, app, owner, center, environment_tag, provider, service_name,
    charge_category, class, frequency, billing_currency, rule, sureness
