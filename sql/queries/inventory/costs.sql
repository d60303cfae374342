-- purpose: first and last day with cost and the cost of 30 days, per app and currency, up to a day
-- parameters: as_of Date (last day counted)
-- columns: app_id, billing_currency, first_cost_date, last_cost_date (NULL where every cost is 0),
--   billed_cost_30d Decimal(38, 18), effective_cost_30d Decimal(38, 18)
WITH
    c.billed_cost != 0 OR c.effective_cost != 0 AS has_cost,
    usage_date > {as_of:Date} - 30 AS is_recent
SELECT
    app_id,
    toString(c.billing_currency) AS billing_currency,
    minOrNullIf(usage_date, has_cost) AS first_cost_date,
    maxOrNullIf(usage_date, has_cost) AS last_cost_date,
    CAST(sumIf(toDecimal256(c.billed_cost, 18), is_recent), 'Decimal(38, 18)') AS billed_cost_30d,
    CAST(sumIf(toDecimal256(c.effective_cost, 18), is_recent), 'Decimal(38, 18)') AS effective_cost_30d
FROM core_app_costs_daily_current AS c
WHERE app_id != 'unallocated' AND usage_date <= {as_of:Date}
GROUP BY app_id, billing_currency
ORDER BY app_id, billing_currency
