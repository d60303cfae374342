-- purpose: decisions about alerts that may still matter: those made lately, and all about alerts that are published
-- parameters: decided_from DateTime64(3, 'UTC')
-- columns: decision_id, action_id, fence, seq UInt64, decision, decided_by, decided_at DateTime64(3), reason, of_line, playbook,
--   version, action, target, risk, alert_key, episode UInt32, kind, subject, team, environment, inputs, event
SELECT
    decision_id, action_id, fence, seq, toString(d.decision) AS decision, decided_by, decided_at, reason, of_line, playbook,
    version, toString(d.action) AS action, toString(d.target) AS target, toString(d.risk) AS risk, alert_key, episode,
    toString(d.kind) AS kind, subject, toString(d.team) AS team, toString(d.environment) AS environment, inputs, event
FROM remediation_decisions_current AS d
WHERE decided_at >= {decided_from:DateTime64(3, 'UTC')}
   OR (alert_key, episode) IN (SELECT alert_key, episode FROM core_alerts_current)
ORDER BY decided_at, seq, decision_id
