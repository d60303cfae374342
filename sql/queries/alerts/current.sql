-- purpose: every alert that is published
-- parameters: none
-- columns: alert_key, kind, subject, environment, team, severity, state, cause, sentence, since, pending_at DateTime64(0),
--   fired_at, clear_at, frozen_at, resolved_at Nullable(DateTime64(0)), episode UInt32, ending, by_routes, targets, tells_end
SELECT
    alert_key, toString(a.kind) AS kind, subject, toString(a.environment) AS environment, toString(a.team) AS team,
    toString(a.severity) AS severity, toString(a.state) AS state, cause, sentence,
    toDateTime64(a.since, 0, 'UTC') AS since, toDateTime64(a.pending_at, 0, 'UTC') AS pending_at,
    toDateTime64(a.fired_at, 0, 'UTC') AS fired_at, toDateTime64(a.clear_at, 0, 'UTC') AS clear_at,
    toDateTime64(a.frozen_at, 0, 'UTC') AS frozen_at, toDateTime64(a.resolved_at, 0, 'UTC') AS resolved_at, episode,
    toString(a.ending) AS ending, by_routes, targets, tells_end
FROM core_alerts_current AS a
ORDER BY alert_key
