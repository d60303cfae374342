-- purpose: idle apps of the chosen teams with their cost of the last 30 days, largest first within a currency
-- parameters: teams Array(String)
-- columns: app_id, app_name, team, billing_currency, billed, last_seen
SELECT
    app_id, app_name, toString(i.team) AS team, cost.1 AS billing_currency, cost.2 AS billed, last_seen
FROM mart_app_inventory_current AS i
ARRAY JOIN CAST(billed_cost_30d, 'Array(Tuple(String, Decimal(38, 18)))') AS cost
WHERE team IN {teams:Array(String)} AND is_idle
ORDER BY billing_currency, billed DESC, app_id
