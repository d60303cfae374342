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
    {billing_period:Date},
    sums.day,
    sums.source,
    if(sums.owner = 0, 'unallocated', owners.app) AS app,
    if(sums.owner = 0, 'unassigned', owners.owning_team),
    owners.center,
    owners.environment_tag,
    sums.provider,
    sums.service,
    sums.category,
    sums.class,
    sums.frequency,
    sums.currency,
    sums.billed,
    sums.effective,
    if(sums.owner = 0, 'unallocated', owners.rule),
    owners.sureness,
    {batch_id:UUID}
FROM
(
    SELECT
        owner,
        toDate(began) AS day,
        x_SourceName AS source,
        coalesce(ServiceProviderName, ProviderName, '') AS provider,
        ServiceName AS service,
        ChargeCategory AS category,
        ifNull(ChargeClass, '') AS class,
        ifNull(ChargeFrequency, '') AS frequency,
        BillingCurrency AS currency,
        CAST(sum(billed_part), 'Decimal(38, 18)') AS billed,
        CAST(sum(effective_part), 'Decimal(38, 18)') AS effective
    FROM
    (
        SELECT
            x_SourceName, ServiceProviderName, ProviderName, ServiceName, ChargeCategory, ChargeClass, ChargeFrequency,
            BillingCurrency, ChargePeriodStart AS began, identity.line AS owner, toDecimal256(BilledCost, 18) AS billed_part,
            toDecimal256(EffectiveCost, 18) AS effective_part
        FROM raw_focus_costs_published AS costs
        -- shared: shared/owner_join
        WHERE costs.x_BillingPeriod = {billing_period:Date} AND costs.x_IdentityHash NOT IN
        (
            -- shared: shared/changing_identities
        )
        UNION ALL
        SELECT
            x_SourceName, ServiceProviderName, ProviderName, ServiceName, ChargeCategory, ChargeClass, ChargeFrequency,
            BillingCurrency, ChargePeriodStart, part.1, part.4, part.5
        FROM
        (
            SELECT
                costs.*,
                -- shared: shared/charge_parts
            FROM raw_focus_costs_published AS costs
            -- shared: shared/owner_join
            WHERE costs.x_BillingPeriod = {billing_period:Date} AND costs.x_IdentityHash IN
            (
                -- shared: shared/changing_identities
            )
        )
    )
    GROUP BY owner, day, source, provider, service, category, class, frequency, currency
) AS sums
LEFT ANY JOIN
(
    -- shared: shared/identity_owners
) AS owners
ON owners.owner = sums.owner AND owners.owner != 0
WHERE NOT has({pools:Array(String)}, app)
