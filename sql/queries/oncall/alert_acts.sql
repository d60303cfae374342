-- purpose: what people did about the alerts that did not end: acknowledgements and silences that match each
-- parameters: teams Array(String), see_whole_bills Bool (alerts of whole bills and of all telemetry are of no team)
-- columns: of_alert (the alert it is about), act_id, act, acted_by, acted_at DateTime64(3), reason, alert_key, episode, severity,
--   subject, team, kind, ends_at Nullable(DateTime64(3)), of_act
WITH
    (SELECT groupArray(of_act) FROM core_alert_acts_current WHERE act = 'unsilence') AS ended
SELECT
    a.alert_key AS of_alert, act_id, toString(d.act) AS act, acted_by, acted_at, reason, d.alert_key AS alert_key,
    d.episode AS episode, toString(d.severity) AS severity, d.subject AS subject, d.team AS team, toString(d.kind) AS kind,
    ends_at, of_act
FROM core_alerts_current AS a
CROSS JOIN core_alert_acts_current AS d
WHERE a.state != 'resolved' AND (a.team IN {teams:Array(String)} OR (a.team = '' AND {see_whole_bills:Bool}))
  AND NOT has(ended, act_id)
  AND ((d.act = 'ack' AND d.alert_key = a.alert_key AND d.episode = a.episode)
    OR (d.act = 'silence' AND d.alert_key IN ('', a.alert_key) AND d.subject IN ('', a.subject)
        AND d.team IN ('', toString(a.team)) AND d.kind IN ('', toString(a.kind))))
ORDER BY of_alert, acted_at, act_id
