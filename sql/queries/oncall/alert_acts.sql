-- purpose: what people did about the alerts that did not end: acknowledgements and silences that match each
-- parameters: teams Array(String), see_whole_bills Bool (alerts of whole bills and of all telemetry are of no team)
-- columns: of_alert, team (the alert it is about, and its owner), act_id, act, acted_by, acted_at DateTime64(3), reason, alert_key,
--   episode UInt32, severity, subject, of_team, kind, ends_at Nullable(DateTime64(3)), of_act
WITH
    (SELECT groupArray(of_act) FROM alert_acts_current WHERE act = 'unsilence') AS ended
SELECT
    a.alert_key AS of_alert, toString(a.team) AS team, act_id, toString(d.act) AS act, acted_by, acted_at, reason, d.alert_key AS alert_key,
    d.episode AS episode, toString(d.severity) AS severity, d.subject AS subject, d.team AS of_team, toString(d.kind) AS kind,
    ends_at, of_act
FROM core_alerts_current AS a
CROSS JOIN alert_acts_current AS d
WHERE a.state != 'resolved' AND (a.team IN {teams:Array(String)} OR (a.team = '' AND {see_whole_bills:Bool}))
  AND NOT has(ended, act_id)
  AND ((d.act = 'ack' AND d.alert_key = a.alert_key AND d.episode = a.episode)
    OR (d.act = 'silence' AND d.alert_key IN ('', a.alert_key) AND d.subject IN ('', a.subject)
        AND d.team IN ('', toString(a.team)) AND d.kind IN ('', toString(a.kind))))
ORDER BY of_alert, acted_at, act_id
