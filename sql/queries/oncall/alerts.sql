-- purpose: alerts that did not end, and whether somebody was told; the order is models.alerts.in_order
-- parameters: teams Array(String), see_whole_bills Bool (alerts of whole bills and of all telemetry are of no team)
-- columns: alert_key, kind, subject, environment, team, severity, state, cause, sentence, since, pending_at DateTime64(0),
--   fired_at, clear_at, frozen_at, resolved_at Nullable(DateTime64(0)), episode UInt32, told_at Nullable(DateTime64(0)),
--   is_unreached UInt8 (something was to be sent and nothing arrived)
SELECT
    alert_key, toString(a.kind) AS kind, subject, toString(a.environment) AS environment, toString(a.team) AS team,
    toString(a.severity) AS severity, toString(a.state) AS state, cause, sentence,
    toDateTime64(a.since, 0, 'UTC') AS since, toDateTime64(a.pending_at, 0, 'UTC') AS pending_at,
    toDateTime64(a.fired_at, 0, 'UTC') AS fired_at, toDateTime64(a.clear_at, 0, 'UTC') AS clear_at,
    toDateTime64(a.frozen_at, 0, 'UTC') AS frozen_at, toDateTime64(a.resolved_at, 0, 'UTC') AS resolved_at, episode,
    told.told_at AS told_at, told.is_unreached AS is_unreached
FROM core_alerts_current AS a
LEFT JOIN
(
    SELECT
        substring(item, position(item, ' ') + 1) AS what,
        toDateTime64(maxOrNullIf(at, state = 'sent'), 0, 'UTC') AS told_at,
        countIf(state = 'sent') = 0 AND countIf(state IN ('claimed', 'failed', 'given_up')) > 0 AS is_unreached
    FROM alert_sends_current
    ARRAY JOIN items AS item
    GROUP BY what
) AS told ON told.what = concat(toString(a.episode), ' ', a.alert_key)
WHERE state != 'resolved' AND (team IN {teams:Array(String)} OR (team = '' AND {see_whole_bills:Bool}))
ORDER BY alert_key
