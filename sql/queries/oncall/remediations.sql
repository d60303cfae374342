-- purpose: decisions of playbooks and people about alerts that did not end; what they come to is models.remediation.remediations
-- parameters: teams Array(String), see_whole_bills Bool (alerts of whole bills and of all telemetry are of no team)
-- columns: decision_id, action_id, fence, seq UInt64, decision, decided_by, decided_at DateTime64(3), reason, of_line, playbook,
--   version, action, target, risk, alert_key, episode UInt32, kind, subject, team (owner of the alert now), environment,
--   event, send_state (of what was sent; empty: nothing was)
WITH open AS
(
    SELECT alert_key, episode, toString(a.team) AS team
    FROM core_alerts_current AS a
    WHERE state != 'resolved' AND (team IN {teams:Array(String)} OR (team = '' AND {see_whole_bills:Bool}))
)
SELECT
    decision_id, action_id, fence, seq, toString(d.decision) AS decision, decided_by, decided_at, reason, of_line, playbook,
    version, toString(d.action) AS action, toString(d.target) AS target, toString(d.risk) AS risk, d.alert_key AS alert_key,
    d.episode AS episode, toString(d.kind) AS kind, subject, o.team AS team, toString(d.environment) AS environment, event,
    toString(s.state) AS send_state
FROM remediation_decisions_current AS d
INNER JOIN open AS o ON o.alert_key = d.alert_key AND o.episode = d.episode
LEFT JOIN (SELECT message_id, state FROM alert_sends_current WHERE form != 'words') AS s ON s.message_id = d.action_id
WHERE d.alert_key IN (SELECT alert_key FROM open)
ORDER BY decided_at, seq, decision_id
