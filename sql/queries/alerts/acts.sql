-- purpose: what people did about alerts lately
-- parameters: acted_from DateTime64(3, 'UTC')
-- columns: act_id, act, acted_by, acted_at DateTime64(3), reason, alert_key, episode UInt32, severity, subject, team, kind,
--   ends_at Nullable(DateTime64(3)), of_act
SELECT
    act_id, toString(a.act) AS act, acted_by, acted_at, reason, alert_key, episode, toString(a.severity) AS severity, subject, team,
    toString(a.kind) AS kind, ends_at, of_act
FROM alert_acts_current AS a
WHERE acted_at >= {acted_from:DateTime64(3, 'UTC')}
ORDER BY acted_at, act_id
