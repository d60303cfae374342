-- purpose: bad and all events of each day (UTC) of the windows of one app's objectives, as their budgets by occurrences count them
-- parameters: teams Array(String), app_id String, environments, objectives Array(String), begins Array(UInt32) (begin of the
--   window of each, in seconds since 1970), bounds_ms Array(UInt32) (the latency ladder)
-- columns: environment, objective, target, usage_date, bad, total
-- Whole hours come from core_request_hours, of days published with them; slices only where the window cuts an hour, and where an
-- objective is of a route or leaves out cold starts, which hours do not tell apart. What is in maintenance is left out.
WITH
    asked AS
    (
        SELECT
            toString(s.environment) AS environment, toString(s.objective) AS objective, s.target AS target,
            s.threshold_ms AS threshold_ms, s.route AS of_route, s.without_cold_starts AS without_cold_starts,
            s.as_of AS as_of, o.span_kinds AS span_kinds, w.begin AS begin,
            of_route = '' AND NOT without_cold_starts AS is_whole,
            if(isNull(threshold_ms), 0, indexOf({bounds_ms:Array(UInt32)}, assumeNotNull(threshold_ms))) AS rung
        FROM mart_slo_states_current AS s
        INNER JOIN mart_slo_objectives_current AS o
            ON o.app_id = s.app_id AND o.environment = s.environment AND o.objective = s.objective
        INNER JOIN
        (
            SELECT one.1 AS place, one.2 AS name, toDateTime(one.3, 'UTC') AS begin
            FROM (SELECT arrayJoin(arrayZip({environments:Array(String)}, {objectives:Array(String)}, {begins:Array(UInt32)})) AS one)
        ) AS w ON w.place = toString(s.environment) AND w.name = toString(s.objective)
        WHERE s.app_id = {app_id:String} AND s.team IN {teams:Array(String)} AND isNull(o.valid_to) AND o.app_id = {app_id:String}
          AND o.budgeting_method = 'Occurrences'
    ),
    hour_days AS (SELECT period FROM current_batches WHERE table_name = 'core_request_hours'),
    (SELECT toDateTime(min(begin), 'UTC') FROM asked) AS since,
    (SELECT countIf(NOT is_whole) FROM asked) AS parts,
    (SELECT arrayDistinct(arrayConcat(groupArray(toDate(begin)), groupArray(toDate(as_of - 1)))) FROM asked) AS cut_days,
-- shared: shared/maintained_of_app
    ,
    counted AS
    (
        SELECT
            a.environment AS environment, a.objective AS objective, a.target AS target, toDate(h.hour) AS usage_date,
            toInt64(if(a.rung = 0, h.errors, h.timed - h.within[a.rung])) AS bad,
            toInt64(if(a.rung = 0, h.requests, h.timed)) AS total
        FROM core_request_hours_current AS h
        INNER JOIN asked AS a ON a.environment = toString(h.environment)
        WHERE h.app_id = {app_id:String} AND h.hour >= since AND a.is_whole AND has(a.span_kinds, toString(h.kind))
          AND h.hour >= a.begin AND h.hour + INTERVAL 1 HOUR <= a.as_of
        UNION ALL
        SELECT
            a.environment, a.objective, a.target, toDate(h.hour),
            -toInt64(if(a.rung = 0, h.errors, h.timed - h.within[a.rung])), -toInt64(if(a.rung = 0, h.requests, h.timed))
        FROM core_maintenance_hours_current AS h
        INNER JOIN asked AS a ON a.environment = toString(h.environment)
        WHERE h.app_id = {app_id:String} AND h.hour >= since AND a.is_whole AND has(a.span_kinds, toString(h.kind))
          AND h.hour >= a.begin AND h.hour + INTERVAL 1 HOUR <= a.as_of AND toDate(h.hour) IN hour_days
        UNION ALL
        SELECT
            a.environment, a.objective, a.target, toDate(c.slice_start),
            toInt64(if(a.rung = 0, c.errors, c.timed - c.within[a.rung])), toInt64(if(a.rung = 0, c.requests, c.timed))
        FROM core_request_slices_current AS c
        INNER JOIN asked AS a ON a.environment = toString(c.environment)
        WHERE c.app_id = {app_id:String} AND c.slice_start >= since
          AND (parts > 0 OR has(cut_days, toDate(c.slice_start)) OR toDate(c.slice_start) NOT IN hour_days)
          AND c.slice_start >= a.begin AND c.slice_start < a.as_of AND has(a.span_kinds, toString(c.kind))
          AND (
                NOT a.is_whole OR toDate(c.slice_start) NOT IN hour_days
                OR toStartOfHour(c.slice_start) < a.begin OR toStartOfHour(c.slice_start) + INTERVAL 1 HOUR > a.as_of
            )
          AND (a.of_route = '' OR a.of_route IN (toString(c.route), replaceRegexpOne(toString(c.route), '^[A-Z]+ ', '')))
          AND NOT (a.without_cold_starts AND c.is_cold_start)
          AND ('*', toUInt32(c.slice_start)) NOT IN maintained AND (toString(c.environment), toUInt32(c.slice_start)) NOT IN maintained
    )
SELECT environment, objective, target, usage_date, toUInt64(sum(c.bad)) AS bad, toUInt64(sum(c.total)) AS total
FROM counted AS c
GROUP BY environment, objective, target, usage_date
HAVING total > 0
ORDER BY environment, objective, usage_date
