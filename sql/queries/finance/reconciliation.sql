-- purpose: published against attributed cost of a billing month, exactly, per source, currency and metric.
--   A bill is of all teams, so only a viewer with the right to see whole bills (finance, the platform team) is shown it
-- right: see_statements
-- parameters: teams Array(String), see_whole_bills Bool, billing_period Date
-- columns: source_name, billing_currency, metric, published, attributed, difference
SELECT
    source_name,
    billing_currency,
    metric,
    CAST(sum(published_part) AS Decimal(38, 18)) AS published,
    CAST(sum(attributed_part) AS Decimal(38, 18)) AS attributed,
    CAST(sum(published_part) - sum(attributed_part) AS Decimal(38, 18)) AS difference
FROM
(
    SELECT
        substring(scope, length('billing/') + 1) AS source_name,
        splitByChar('/', figure.1)[1] AS billing_currency,
        splitByChar('/', figure.1)[2] AS metric,
        figure.2 AS published_part,
        CAST(0 AS Decimal(76, 18)) AS attributed_part
    FROM
    (
        SELECT toString(scope) AS scope, argMax(sums, (fence, seq)) AS latest
        FROM period_head
        WHERE startsWith(scope, 'billing/') AND period = {billing_period:Date}
        GROUP BY scope
    )
    ARRAY JOIN CAST(latest, 'Array(Tuple(String, Decimal(76, 18)))') AS figure
    UNION ALL
    SELECT
        toString(source_name), toString(billing_currency), metric_cost.1 AS metric, CAST(0 AS Decimal(76, 18)), metric_cost.2
    FROM
    (
        SELECT
            source_name,
            billing_currency,
            sum(CAST(billed_cost AS Decimal(76, 18))) AS billed,
            sum(CAST(effective_cost AS Decimal(76, 18))) AS effective
        FROM core_app_costs_daily_current
        WHERE billing_period = {billing_period:Date}
        GROUP BY source_name, billing_currency
    )
    ARRAY JOIN [('BilledCost', billed), ('EffectiveCost', effective)] AS metric_cost
)
WHERE {see_whole_bills:Bool} AND notEmpty({teams:Array(String)}) AND metric IN ('BilledCost', 'EffectiveCost')
GROUP BY source_name, billing_currency, metric
ORDER BY source_name, billing_currency, metric
