-- purpose: charges of apps that shared cost rules take from, of one billing month, by everything those rules look at; the
--   rest of them goes into statements/core_app_costs_daily, which attributes in the same way
-- parameters: billing_period Date, sources Array(String), batches Array(UUID) (of raw_focus_costs), identities_batch UUID, pools
--   Array(String) (the apps), looked_at Array(String) (columns
--   rules look at), tag_keys Array(String) (tags they look at, lower case), hourly Bool (whether a rule measures single hours;
--   else periods are told by whole days, which are fewer)
-- columns: usage_date, source_name, app_id, team, cost_center, environment, provider, service_name, charge_category,
--   charge_class, charge_frequency, billing_currency, attribution_rule, confidence, account, project, region, commitment,
--   description (these five empty where no rule looks at them), tags Array(String) (values in the order of tag_keys),
--   period_start DateTime64(6), period_end DateTime64(6), billed_cost Decimal(38, 18), effective_cost Decimal(38, 18), charges
--   UInt64 (rows of the bill)
SELECT
    -- shared: shared/pool_columns
    ,
    CAST(sum(part.4), 'Decimal(38, 18)') AS billed_cost,
    CAST(sum(part.5), 'Decimal(38, 18)') AS effective_cost,
    count() AS charges
FROM
(
    SELECT
        costs.*,
        -- shared: shared/charge_parts
    FROM raw_focus_costs AS costs
    -- shared: shared/identity_join
    WHERE costs.x_BillingPeriod = {billing_period:Date} AND costs.x_SourceName IN {sources:Array(String)}
        AND costs.x_BatchId IN {batches:Array(UUID)}
        -- identities whose every charge is of an app outside the pools: most of the bill need not be joined
        AND costs.x_IdentityHash NOT IN
        (
            SELECT x_IdentityHash FROM core_identities WHERE batch_id = {identities_batch:UUID}
            GROUP BY x_IdentityHash
            HAVING NOT max(has({pools:Array(String)}, if(core_identities.app_id = '', 'unallocated', core_identities.app_id)))
                AND min(service_name) = '' AND countIf(holds_from = toDateTime64(0, 9, 'UTC')) = uniqExact(service_name)
        )
) AS costs
WHERE has({pools:Array(String)}, app_id)
GROUP BY ALL
ORDER BY ALL
