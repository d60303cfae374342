-- purpose: what app/budget_days counts, of one app's objectives that count something else than requests
-- parameters: teams Array(String), app_id String, environments, objectives Array(String), begins Array(UInt32) (begin of the
--   window of each, in seconds since 1970)
-- columns: environment, objective, target, usage_date, bad, total
WITH
-- shared: shared/maintained_of_app
SELECT
    a.environment AS environment, a.objective AS objective, a.target AS target, toDate(i.slice_start) AS usage_date,
    sum(i.total - i.good) AS bad, sum(i.total) AS total
FROM core_indicator_slices_current AS i
INNER JOIN
(
    SELECT
        toString(s.environment) AS environment, toString(s.objective) AS objective, s.target AS target, s.as_of AS as_of,
        toString(o.indicator) AS question, w.begin AS begin
    FROM mart_slo_states_current AS s
    INNER JOIN mart_slo_objectives_current AS o
        ON o.app_id = s.app_id AND o.environment = s.environment AND o.objective = s.objective
    INNER JOIN
    (
        SELECT one.1 AS place, one.2 AS name, toDateTime(one.3, 'UTC') AS begin
        FROM (SELECT arrayJoin(arrayZip({environments:Array(String)}, {objectives:Array(String)}, {begins:Array(UInt32)})) AS one)
    ) AS w ON w.place = toString(s.environment) AND w.name = toString(s.objective)
    WHERE s.app_id = {app_id:String} AND s.team IN {teams:Array(String)} AND isNull(o.valid_to) AND o.app_id = {app_id:String}
      AND o.budgeting_method = 'Occurrences' AND o.indicator NOT IN ('availability', 'latency')
) AS a ON a.environment = toString(i.environment) AND a.question = toString(i.indicator)
WHERE i.app_id = {app_id:String} AND i.slice_start >= toDateTime(arrayMin({begins:Array(UInt32)}), 'UTC')
  AND i.slice_start >= a.begin AND i.slice_start < a.as_of
  AND ('*', toUInt32(i.slice_start)) NOT IN maintained AND (toString(i.environment), toUInt32(i.slice_start)) NOT IN maintained
GROUP BY environment, objective, target, usage_date
HAVING total > 0
ORDER BY environment, objective, usage_date
