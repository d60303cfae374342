-- purpose: what the viewer's idle apps cost in the last 30 days
-- parameters: teams Array(String)
-- columns: billing_currency, billed, apps
SELECT
    cost.1 AS billing_currency,
    CAST(sum(CAST(cost.2 AS Decimal(76, 18))) AS Decimal(38, 18)) AS billed,
    uniqExact(app_id) AS apps
FROM mart_app_inventory_current
ARRAY JOIN CAST(billed_cost_30d, 'Array(Tuple(String, Decimal(38, 18)))') AS cost
WHERE team IN {teams:Array(String)} AND is_idle
GROUP BY billing_currency
ORDER BY billing_currency
