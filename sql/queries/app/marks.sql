-- purpose: marks playbooks put on an app because of alerts that did not end, and nobody took off
-- parameters: teams Array(String), app_id String
-- columns: app_id, team, playbook, note, marked_at DateTime64(3), alert_key
WITH
    own AS
    (
        SELECT alert_key, episode, toString(team) AS of_team
        FROM core_alerts_current
        WHERE subject = {app_id:String} AND state != 'resolved' AND team IN {teams:Array(String)}
    ),
    lines AS
    (
        SELECT
            d.*, own.of_team AS of_team, own.episode AS of_episode,
            groupUniqArrayIf(d.of_line, d.decision = 'declined') OVER () AS declined_lines,
            groupUniqArrayIf(d.action_id, d.decision = 'ended') OVER () AS ended_actions
        FROM remediation_decisions_current AS d
        INNER JOIN own ON own.alert_key = d.alert_key
    )
SELECT subject AS app_id, of_team AS team, playbook, event AS note, decided_at AS marked_at, alert_key
FROM lines
WHERE episode = of_episode AND action = 'flag' AND decision = 'acted'
  AND NOT has(declined_lines, decision_id) AND NOT has(ended_actions, action_id)
ORDER BY marked_at, alert_key, playbook
