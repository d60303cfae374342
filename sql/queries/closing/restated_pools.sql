-- purpose: charges that shared cost rules take from, of two sets of batches of a month's bill, by everything those rules look at: what
--   a provider had billed when the month was closed, and has now; identities as in closing/restated
-- parameters: billing_period Date, before Array(UUID), now Array(UUID) (of raw_focus_costs), identities Array(UUID), pools
--   Array(String) (the apps), looked_at Array(String), tag_keys Array(String), hourly Bool (as in costs/pools)
-- columns: usage_date, source_name, app_id, team, cost_center, environment, provider, service_name, charge_category,
--   charge_class, charge_frequency, billing_currency, attribution_rule, confidence, account, project, region, commitment,
--   description, tags Array(String), period_start DateTime64(6), period_end DateTime64(6), billed_cost Decimal(38, 18),
--   effective_cost Decimal(38, 18), charges UInt64, is_now Bool
SELECT
    -- shared: shared/pool_columns
    ,
    CAST(sum(part.4), 'Decimal(38, 18)') AS billed_cost,
    CAST(sum(part.5), 'Decimal(38, 18)') AS effective_cost,
    count() AS charges,
    CAST(has({now:Array(UUID)}, costs.x_BatchId), 'Bool') AS is_now
FROM
(
    SELECT
        costs.*,
        -- shared: shared/charge_parts
    FROM raw_focus_costs AS costs
    -- shared: shared/first_identities
    WHERE costs.x_BillingPeriod = {billing_period:Date}
        AND has(arrayConcat({before:Array(UUID)}, {now:Array(UUID)}), costs.x_BatchId)
) AS costs
WHERE has({pools:Array(String)}, app_id)
GROUP BY ALL
ORDER BY ALL
