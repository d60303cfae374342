-- purpose: charges of apps that shared cost rules take from, of one billing month, by everything those rules look at; the
--   rest of them goes into statements/core_app_costs_daily, which attributes in the same way
-- parameters: billing_period Date, identities_batch UUID, pools Array(String) (the apps), looked_at Array(String) (columns
--   rules look at), tag_keys Array(String) (tags they look at, lower case), hourly Bool (whether a rule measures single hours;
--   else periods are told by whole days, which are fewer)
-- columns: usage_date, source_name, app_id, team, cost_center, environment, provider, service_name, charge_category,
--   charge_class, charge_frequency, billing_currency, billed_cost Decimal(38, 18), effective_cost Decimal(38, 18),
--   attribution_rule, confidence, account, project, region, commitment, description (these five empty where no rule looks at
--   them), tags Array(String) (values in the order of tag_keys), period_start DateTime64(6), period_end DateTime64(6), charges
--   UInt64 (rows of the bill)
SELECT
    toDate(costs.ChargePeriodStart) AS usage_date,
    toString(costs.x_SourceName) AS source_name,
    if((part.1).app_id = '', 'unallocated', (part.1).app_id) AS app_id,
    if((part.1).app_id = '', 'unassigned', (part.1).team) AS team,
    (part.1).cost_center AS cost_center,
    (part.1).environment AS environment,
    coalesce(toString(costs.ServiceProviderName), toString(costs.ProviderName), '') AS provider,
    toString(costs.ServiceName) AS service_name,
    toString(costs.ChargeCategory) AS charge_category,
    ifNull(toString(costs.ChargeClass), '') AS charge_class,
    ifNull(toString(costs.ChargeFrequency), '') AS charge_frequency,
    toString(costs.BillingCurrency) AS billing_currency,
    CAST(sum(part.4), 'Decimal(38, 18)') AS billed_cost,
    CAST(sum(part.5), 'Decimal(38, 18)') AS effective_cost,
    if((part.1).app_id = '', 'unallocated', (part.1).rule) AS attribution_rule,
    (part.1).confidence AS confidence,
    if(has({looked_at:Array(String)}, 'account'), toString(costs.BillingAccountId), '') AS account,
    if(has({looked_at:Array(String)}, 'project'), ifNull(toString(costs.SubAccountId), ''), '') AS project,
    if(has({looked_at:Array(String)}, 'region'), ifNull(toString(costs.RegionId), ''), '') AS region,
    if(has({looked_at:Array(String)}, 'commitment'), ifNull(toString(costs.CommitmentDiscountStatus), ''), '') AS commitment,
    if(has({looked_at:Array(String)}, 'description'), ifNull(costs.ChargeDescription, ''), '') AS description,
    arrayMap(
        wanted -> trimBoth(costs.Tags[arraySort(arrayFilter(name -> lower(trimBoth(name)) = wanted, mapKeys(costs.Tags)))[1]]),
        {tag_keys:Array(String)}) AS tags,
    if({hourly:Bool}, toDateTime64(costs.ChargePeriodStart, 6, 'UTC'),
        toDateTime64(toDate(costs.ChargePeriodStart), 6, 'UTC')) AS period_start,
    multiIf(
        {hourly:Bool}, toDateTime64(costs.ChargePeriodEnd, 6, 'UTC'),
        costs.ChargePeriodEnd <= costs.ChargePeriodStart, period_start,
        toDateTime64(toDate(costs.ChargePeriodEnd - INTERVAL 1 MICROSECOND) + 1, 6, 'UTC')) AS period_end,
    count() AS charges
FROM
(
    SELECT
        costs.*,
        -- shared: shared/charge_parts
    FROM raw_focus_costs_published AS costs
    ASOF LEFT JOIN
    (
        -- shared: shared/identity_lines
        FROM core_identities
        WHERE batch_id = {identities_batch:UUID}
    ) AS identity
    ON identity.identity_hash = costs.x_IdentityHash
        -- shared: shared/identity_service
        AND costs.ChargePeriodStart >= identity.line_from
    WHERE costs.x_BillingPeriod = {billing_period:Date}
) AS costs
WHERE has({pools:Array(String)}, app_id)
GROUP BY ALL
ORDER BY ALL
