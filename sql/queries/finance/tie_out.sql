-- purpose: a provider's month against every statement that has lines of it, exactly: its own, those that adjusted it and are
--   closed, what the open month will adjust, and the bill as it is published now. A bill is of all teams, so only a viewer
--   with the right to see whole bills is shown it
-- right: see_statements
-- parameters: teams Array(String), see_whole_bills Bool, billing_period Date
-- columns: source_name, billing_currency, metric, own, adjusted, pending, published, difference
SELECT
    source_name,
    billing_currency,
    metric,
    CAST(sum(own_part) AS Decimal(38, 18)) AS own,
    CAST(sum(adjusted_part) AS Decimal(38, 18)) AS adjusted,
    CAST(sum(pending_part) AS Decimal(38, 18)) AS pending,
    CAST(sum(published_part) AS Decimal(38, 18)) AS published,
    CAST(
        sum(published_part) - sum(own_part) - sum(adjusted_part) - sum(pending_part) AS Decimal(38, 18)
    ) AS difference
FROM
(
    SELECT
        toString(source_name) AS source_name,
        toString(billing_currency) AS billing_currency,
        metric_cost.1 AS metric,
        CAST(sumIf(CAST(metric_cost.2 AS Decimal(76, 18)), statement_period = billing_period) AS Decimal(76, 18)) AS own_part,
        CAST(sumIf(CAST(metric_cost.2 AS Decimal(76, 18)), statement_period != billing_period AND is_closed) AS Decimal(76, 18))
            AS adjusted_part,
        CAST(sumIf(CAST(metric_cost.2 AS Decimal(76, 18)), statement_period != billing_period AND NOT is_closed) AS Decimal(76, 18))
            AS pending_part,
        CAST(0 AS Decimal(76, 18)) AS published_part
    FROM
    (
        SELECT
            *,
            statement_period IN (SELECT statement_period FROM statement_closings_current WHERE state = 'closed') AS is_closed
        FROM mart_statement_lines_current
        WHERE billing_period = {billing_period:Date} AND cost_type != 'rounding'
            AND adjustment != 'credit' -- sums to nothing, and is of no source
    )
    ARRAY JOIN [('BilledCost', billed_cost), ('EffectiveCost', effective_cost)] AS metric_cost
    GROUP BY source_name, billing_currency, metric
    UNION ALL
    SELECT
        substring(scope, length('billing/') + 1),
        splitByChar('/', figure.1)[1],
        splitByChar('/', figure.1)[2],
        CAST(0 AS Decimal(76, 18)),
        CAST(0 AS Decimal(76, 18)),
        CAST(0 AS Decimal(76, 18)),
        figure.2
    FROM
    (
        SELECT toString(scope) AS scope, argMax(sums, (fence, seq)) AS latest
        FROM period_head
        WHERE startsWith(scope, 'billing/') AND period = {billing_period:Date}
        GROUP BY scope
    )
    ARRAY JOIN CAST(latest, 'Array(Tuple(String, Decimal(76, 18)))') AS figure
)
WHERE {see_whole_bills:Bool} AND notEmpty({teams:Array(String)}) AND metric IN ('BilledCost', 'EffectiveCost')
GROUP BY source_name, billing_currency, metric
ORDER BY source_name, billing_currency, metric
