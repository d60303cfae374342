-- purpose: the headline counts of the viewer's apps
-- parameters: teams Array(String)
-- columns: apps, unregistered, idle, objectives, breached (budget spent), pages, tickets, silent, open_anomalies
SELECT
    apps, unregistered, idle, objectives, breached, pages, tickets, silent,
    (
        SELECT count() FROM mart_cost_anomalies_current
        WHERE team IN {teams:Array(String)} AND state = 'open'
    ) AS open_anomalies
FROM
(
    SELECT count() AS apps, countIf(NOT is_registered) AS unregistered, countIf(is_idle) AS idle
    FROM mart_app_inventory_current
    WHERE team IN {teams:Array(String)} AND app_id != 'unallocated'
) AS inventory
CROSS JOIN
(
    SELECT
        countIf(total > 0) AS objectives,
        countIf(is_spent) AS breached,
        countIf(state = 'page') AS pages,
        countIf(state = 'ticket') AS tickets,
        countIf(state = 'silent') AS silent
    FROM mart_slo_states_current
    WHERE team IN {teams:Array(String)}
) AS slo
