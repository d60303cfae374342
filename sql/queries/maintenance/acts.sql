-- purpose: what was said of maintenance windows by command, the oldest first
-- parameters: none
-- columns: act_id, act, acted_by, acted_at DateTime64(3), reason, apps, teams, environments Array(String), begins_at DateTime64(0),
--   ends_at DateTime64(0), of_act
SELECT
    act_id, toString(a.act) AS act, acted_by, acted_at, reason, apps, teams, environments,
    toDateTime64(a.begins_at, 0, 'UTC') AS begins_at, toDateTime64(a.ends_at, 0, 'UTC') AS ends_at, of_act
FROM maintenance_acts AS a
ORDER BY acted_at, act_id
