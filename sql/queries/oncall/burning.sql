-- purpose: objectives with events and what they burn; the order of worst is models.slo.worst_first
-- parameters: teams Array(String)
-- columns: app_id, environment, is_production, team, objective, state, since DateTime64(0), target, threshold_ms UInt32,
--   window_days, good, total, sli, budget_remaining, burn_rate_5m, burn_rate_1h, burn_rate_6h, burn_rate_1d, burn_rate_3d,
--   of_route (empty: the whole app), without_cold_starts, kept_out, sampled, stands_for, sli_scaled,
--   question (what is counted instead of requests; empty: requests), fired_by (alert policies by which it fires; empty: the built-in windows),
--   maintenance_minutes UInt32, maintenance_events, maintained_until DateTime64(0), maintenance_reason
SELECT
    app_id, toString(s.environment) AS environment, is_production, toString(s.team) AS team,
    toString(s.objective) AS objective, toString(s.state) AS state, toDateTime64(s.since, 0, 'UTC') AS since,
    target, threshold_ms, window_days, good, total, sli, budget_remaining,
    burn_rate_5m, burn_rate_1h, burn_rate_6h, burn_rate_1d, burn_rate_3d,
    s.route AS of_route, without_cold_starts, kept_out, sampled, stands_for, sli_scaled, question, fired_by,
    maintenance_minutes, maintenance_events, toDateTime64(s.maintained_until, 0, 'UTC') AS maintained_until, maintenance_reason
FROM mart_slo_status_current AS s
LEFT JOIN
-- shared: shared/objective_questions
    AS q ON q.of_app = s.app_id AND q.of_place = toString(s.environment) AND q.of_name = toString(s.objective)
WHERE team IN {teams:Array(String)} AND state != 'no_data'
ORDER BY app_id, environment, objective
