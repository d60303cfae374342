-- purpose: every app of the viewer's teams with cost, activity, health and flags, in a chosen order. Cost is all that is
--   billed; what is compared with the days before is usage alone
-- parameters: teams Array(String), first_day Date, last_day Date, before_first_day Date, before_last_day Date,
--   search String (part of id, title, team or lifecycle, any case),
--   only Array(String) (flags of which one must hold: unregistered, no_owner, idle, breached, anomaly, or a state of its
--   objectives), order_by String (cost, change, worst, requests, errors, name), states Array(String) (the worst first).
--   An app's cost and change are ordered by their share of what is billed in their currency, the largest over its
--   currencies: no currency comes before another
-- columns: app_id, app_name, team, lifecycle, cost, usage_cost, usage_cost_before Map(currency, Decimal), requests, errors,
--   state, flags Array(String)
WITH
    by_currency AS
    (
        SELECT
            app_id,
            toString(billing_currency) AS currency,
            CAST(sumIf(CAST(billed_cost AS Decimal(76, 18)), usage_date >= {first_day:Date}) AS Decimal(38, 18)) AS billed,
            CAST(sumIf(
                CAST(billed_cost AS Decimal(76, 18)),
                usage_date >= {first_day:Date} AND charge_category = 'Usage' AND charge_class = ''
            ) AS Decimal(38, 18)) AS usage_billed,
            CAST(sumIf(
                CAST(billed_cost AS Decimal(76, 18)),
                usage_date <= {before_last_day:Date} AND charge_category = 'Usage' AND charge_class = ''
            ) AS Decimal(38, 18)) AS usage_before
        FROM core_app_costs_daily_current
        WHERE team IN {teams:Array(String)}
          AND usage_date >= {before_first_day:Date}
          AND usage_date <= {last_day:Date}
          AND (usage_date >= {first_day:Date} OR usage_date <= {before_last_day:Date})
        GROUP BY app_id, currency
    ),
    weighed AS
    (
        SELECT *, sum(abs(toFloat64(billed))) OVER (PARTITION BY currency) AS whole FROM by_currency
    ),
    costs AS
    (
        SELECT
            app_id,
            CAST((groupArray(currency), groupArray(billed)), 'Map(String, Decimal(38, 18))') AS cost,
            CAST((groupArray(currency), groupArray(usage_billed)), 'Map(String, Decimal(38, 18))') AS usage_cost,
            CAST((groupArray(currency), groupArray(usage_before)), 'Map(String, Decimal(38, 18))') AS usage_cost_before,
            max(if(whole = 0, 0., toFloat64(billed) / whole)) AS cost_share,
            max(if(whole = 0, 0., toFloat64(usage_billed - usage_before) / whole)) AS change_share
        FROM weighed
        GROUP BY app_id
    ),
    inventory AS
    (
        SELECT app_id, app_name, toString(team) AS team, toString(lifecycle) AS lifecycle, is_registered, is_idle,
               toString(worst_state) AS state
        FROM mart_app_inventory_current
        WHERE team IN {teams:Array(String)} AND app_id != 'unallocated'
    ),
    activity AS
    (
        SELECT app_id, sum(t.requests) AS requests, sum(t.errors) AS errors
        FROM core_app_telemetry_daily_current AS t
        WHERE usage_date >= {first_day:Date} AND usage_date <= {last_day:Date}
        GROUP BY app_id
    ),
    overspent AS
    (
        SELECT DISTINCT app_id FROM mart_slo_states_current
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
    costs.usage_cost AS usage_cost,
    costs.usage_cost_before AS usage_cost_before,
    activity.requests AS requests,
    activity.errors AS errors,
    state,
    arrayFilter(
        flag -> flag != '',
        [
            if(is_registered, '', 'unregistered'),
            if(team = 'unassigned', 'no_owner', ''),
            if(is_idle, 'idle', ''),
            if(app_id IN overspent, 'breached', ''),
            if(app_id IN anomalous, 'anomaly', '')
        ]
    ) AS flags
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
        {order_by:String} = 'cost', cost_share,
        {order_by:String} = 'change', change_share,
        {order_by:String} = 'worst', -toFloat64(indexOf({states:Array(String)}, state)),
        {order_by:String} = 'requests', toFloat64(requests),
        {order_by:String} = 'errors', toFloat64(errors),
        0.
    ) DESC,
    app_id
