-- purpose: every app of the viewer's teams with cost, activity, health and flags, the first by a chosen order
-- parameters: teams Array(String), cost_day Date, search String (part of id, title, team or lifecycle, any case),
--   only Array(String) (flags of which one must hold: unregistered, idle, breached, anomaly, or a state of its objectives),
--   order_by String (cost, change, requests, errors, name), order_currency String, row_limit UInt32
-- columns: app_id, app_name, team, lifecycle, cost, cost_before Map(currency, Decimal), requests, errors,
--   state, flags Array(String), matching (apps before the limit)
WITH
    {cost_day:Date} - 29 AS first_day,
    costs AS
    (
        SELECT
            app_id,
            CAST((groupArray(currency), groupArray(now_sum)), 'Map(String, Decimal(38, 18))') AS cost,
            CAST((groupArray(currency), groupArray(before_sum)), 'Map(String, Decimal(38, 18))') AS cost_before
        FROM
        (
            SELECT
                app_id,
                toString(billing_currency) AS currency,
                CAST(sumIf(CAST(billed_cost AS Decimal(76, 18)), usage_date >= first_day) AS Decimal(38, 18)) AS now_sum,
                CAST(sumIf(CAST(billed_cost AS Decimal(76, 18)), usage_date < first_day) AS Decimal(38, 18)) AS before_sum
            FROM core_app_costs_daily_current
            WHERE team IN {teams:Array(String)}
              AND usage_date > {cost_day:Date} - 60
              AND usage_date <= {cost_day:Date}
            GROUP BY app_id, currency
        )
        GROUP BY app_id
    ),
    inventory AS
    (
        SELECT app_id, app_name, toString(team) AS team, toString(lifecycle) AS lifecycle, is_registered, is_idle,
               requests_30d, toString(worst_state) AS state
        FROM mart_app_inventory_current
        WHERE team IN {teams:Array(String)} AND app_id != 'unallocated'
    ),
    activity AS
    (
        SELECT app_id, sum(errors) AS errors
        FROM core_app_telemetry_daily_current
        WHERE usage_date >= first_day AND usage_date <= {cost_day:Date}
          AND app_id IN (SELECT app_id FROM inventory)
        GROUP BY app_id
    ),
    overspent AS
    (
        SELECT DISTINCT app_id FROM mart_slo_status_current
        WHERE team IN {teams:Array(String)} AND is_spent AND is_production
    ),
    anomalous AS
    (
        SELECT DISTINCT app_id FROM mart_cost_anomalies_current
        WHERE team IN {teams:Array(String)} AND state = 'open'
    )
SELECT
    inventory.app_id AS app_id,
    app_name,
    team,
    lifecycle,
    costs.cost AS cost,
    costs.cost_before AS cost_before,
    requests_30d AS requests,
    activity.errors AS errors,
    state,
    arrayFilter(
        flag -> flag != '',
        [
            if(is_registered, '', 'unregistered'),
            if(is_idle, 'idle', ''),
            if(app_id IN overspent, 'breached', ''),
            if(app_id IN anomalous, 'anomaly', '')
        ]
    ) AS flags,
    count() OVER () AS matching
FROM inventory
LEFT JOIN costs ON costs.app_id = inventory.app_id
LEFT JOIN activity ON activity.app_id = inventory.app_id
WHERE (
        empty({search:String})
        OR positionCaseInsensitiveUTF8(concat(app_id, '\n', app_name, '\n', team, '\n', lifecycle), {search:String}) > 0
    )
  AND (
        empty({only:Array(String)})
        OR hasAny(arrayPushBack(flags, state), {only:Array(String)})
    )
ORDER BY
    multiIf(
        {order_by:String} = 'cost', toFloat64(cost[{order_currency:String}]),
        {order_by:String} = 'change', toFloat64(cost[{order_currency:String}] - cost_before[{order_currency:String}]),
        {order_by:String} = 'requests', toFloat64(requests),
        {order_by:String} = 'errors', toFloat64(errors),
        0.
    ) DESC,
    app_id
LIMIT {row_limit:UInt32}
