-- purpose: bad and all events of each day (UTC) of the windows of one app's objectives, as their budgets by occurrences count them
-- parameters: teams Array(String), app_id String, and of each objective, as app/promised has it: environments, objectives,
--   routes, span_kinds Array(String), targets Array(Float64), colds Array(Bool) (without cold starts), rungs Array(UInt32) (place
--   of its threshold on the latency ladder, 0: availability), begins, ends Array(UInt32) (its window, in seconds since 1970)
-- columns: environment, objective, target, usage_date, bad, total
-- Whole hours come from core_request_hours, of days published with them; slices only where the window cuts an hour, and where an
-- objective is of a route or leaves out cold starts, which hours do not tell apart. What is in maintenance is left out.
WITH
    (
        SELECT count() FROM mart_slo_states_current
        WHERE app_id = {app_id:String} AND team IN {teams:Array(String)}
    ) AS own,
    toDateTime(arrayMin({begins:Array(UInt32)}), 'UTC') AS since,
    arrayExists((route, cold) -> route != '' OR cold, {routes:Array(String)}, {colds:Array(Bool)}) AS has_parts,
    arrayDistinct(arrayConcat(
        arrayMap(one -> toDate(toDateTime(one, 'UTC')), {begins:Array(UInt32)}),
        arrayMap(one -> toDate(toDateTime(one - 1, 'UTC')), {ends:Array(UInt32)}))) AS cut_days,
    (
        SELECT groupUniqArray(period) FROM current_batches
        WHERE table_name = 'core_request_hours' AND period >= toDate(since)
    ) AS hour_days,
    (SELECT count() FROM mart_maintenance_current WHERE app_id IN ('*', {app_id:String})) AS windows,
    asked AS
    (
        SELECT
            one.1 AS environment, one.2 AS objective, one.3 AS of_route, splitByChar(',', one.4) AS span_kinds, one.5 AS target,
            one.6 AS without_cold_starts, one.7 AS rung, toDateTime(one.8, 'UTC') AS begin, toDateTime(one.9, 'UTC') AS as_of,
            of_route = '' AND NOT without_cold_starts AS is_whole
        FROM
        (
            SELECT arrayJoin(arrayZip(
                {environments:Array(String)}, {objectives:Array(String)}, {routes:Array(String)}, {span_kinds:Array(String)},
                {targets:Array(Float64)}, {colds:Array(Bool)}, {rungs:Array(UInt32)}, {begins:Array(UInt32)},
                {ends:Array(UInt32)})) AS one
        )
    ),
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
        WHERE h.app_id = {app_id:String} AND own > 0 AND h.hour >= since AND a.is_whole AND has(a.span_kinds, toString(h.kind))
          AND h.hour >= a.begin AND h.hour + INTERVAL 1 HOUR <= a.as_of
        UNION ALL
        SELECT
            a.environment, a.objective, a.target, toDate(h.hour),
            -toInt64(if(a.rung = 0, h.errors, h.timed - h.within[a.rung])), -toInt64(if(a.rung = 0, h.requests, h.timed))
        FROM core_maintenance_hours_current AS h
        INNER JOIN asked AS a ON a.environment = toString(h.environment)
        WHERE h.app_id = {app_id:String} AND own > 0 AND windows > 0 AND h.hour >= since AND a.is_whole
          AND has(a.span_kinds, toString(h.kind)) AND h.hour >= a.begin AND h.hour + INTERVAL 1 HOUR <= a.as_of
          AND has(hour_days, toDate(h.hour))
        UNION ALL
        SELECT
            a.environment, a.objective, a.target, toDate(c.slice_start),
            toInt64(if(a.rung = 0, c.errors, c.timed - c.within[a.rung])), toInt64(if(a.rung = 0, c.requests, c.timed))
        FROM core_request_slices_current AS c
        INNER JOIN asked AS a ON a.environment = toString(c.environment)
        WHERE c.app_id = {app_id:String} AND own > 0 AND c.slice_start >= since
          AND (has_parts OR has(cut_days, toDate(c.slice_start)) OR NOT has(hour_days, toDate(c.slice_start)))
          AND c.slice_start >= a.begin AND c.slice_start < a.as_of AND has(a.span_kinds, toString(c.kind))
          AND (
                NOT a.is_whole OR NOT has(hour_days, toDate(c.slice_start))
                OR toStartOfHour(c.slice_start) < a.begin OR toStartOfHour(c.slice_start) + INTERVAL 1 HOUR > a.as_of
            )
          AND (a.of_route = '' OR a.of_route IN (toString(c.route), replaceRegexpOne(toString(c.route), '^[A-Z]+ ', '')))
          AND NOT (a.without_cold_starts AND c.is_cold_start)
          AND (windows = 0 OR (  -- a constant: where it is in no maintenance, nothing of it is read
                ('*', toUInt32(c.slice_start)) NOT IN maintained
                AND (toString(c.environment), toUInt32(c.slice_start)) NOT IN maintained))
    )
SELECT environment, objective, target, usage_date, toUInt64(sum(c.bad)) AS bad, toUInt64(sum(c.total)) AS total
FROM counted AS c
GROUP BY environment, objective, target, usage_date
HAVING total > 0
ORDER BY environment, objective, usage_date
