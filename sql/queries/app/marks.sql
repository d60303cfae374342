-- purpose: marks playbooks put on an app because of alerts that did not end, and nobody took off
-- parameters: teams Array(String), app_id String
-- columns: app_id, team, playbook, note, marked_at DateTime64(3), alert_key
WITH
    own AS
    (
        SELECT alert_key, episode, toString(a.team) AS team
        FROM core_alerts_current AS a
        WHERE subject = {app_id:String} AND state != 'resolved' AND team IN {teams:Array(String)}
    ),
    lines AS
    (
        SELECT * FROM remediation_decisions_current WHERE alert_key IN (SELECT alert_key FROM own)
    )
SELECT d.subject AS app_id, o.team AS team, playbook, event AS note, decided_at AS marked_at, d.alert_key AS alert_key
FROM lines AS d
INNER JOIN own AS o ON o.alert_key = d.alert_key AND o.episode = d.episode
WHERE d.action = 'flag' AND d.decision = 'acted'
  AND d.decision_id NOT IN (SELECT of_line FROM lines WHERE decision = 'declined')
  AND d.action_id NOT IN (SELECT action_id FROM lines WHERE decision = 'ended')
ORDER BY marked_at, alert_key, playbook
