-- purpose: anomalies of the viewer's teams and of the services in them, and those of services of the whole fleet for who sees
--   every team: open ones first, then the newest, then the largest share of the group
-- parameters: teams Array(String), see_all_teams Bool
-- columns: scope, team, service_name, billing_currency, start_date, end_date, state, expected_cost, actual_cost, impact,
--   share Nullable(Float64), apps UInt32, top_app, top_impact Decimal(38, 18)
SELECT
    toString(r.scope) AS scope, toString(r.team) AS team, service_name, toString(r.billing_currency) AS billing_currency,
    start_date, end_date, toString(r.state) AS state, expected_cost, actual_cost, impact, share, apps, top_app, top_impact
FROM mart_cost_anomaly_rollups_current AS r
WHERE (r.team IN {teams:Array(String)} AND scope != 'fleet')
   OR ({see_all_teams:Bool} AND notEmpty({teams:Array(String)}) AND scope = 'fleet')
ORDER BY
    state = 'open' DESC, start_date DESC, if(isNull(share), inf, abs(share)) DESC,
    scope, team, service_name, billing_currency, end_date DESC, impact
