-- purpose: what is at fault in the objectives that page or need a ticket: versions and routes by their bad events since the
--   burn began
-- parameters: teams Array(String), bounds_ms Array(UInt32) (the latency ladder), row_limit UInt32 (lines per objective)
-- columns: app_id, environment, objective, version, route (empty: rare ones pooled), bad, total,
--   last_bad DateTime64(0) (start of the newest slice with a bad event)
-- Objectives that count something else than requests have no suspects: no failed request is evidence of them. What is in
-- maintenance is nobody's fault.
WITH
    firing AS
    (
        SELECT app_id, environment, objective, threshold_ms, since, as_of, route AS of_route, without_cold_starts
        FROM mart_slo_states_current
        WHERE team IN {teams:Array(String)} AND state IN ('page', 'ticket')
          AND (app_id, environment, objective) NOT IN
            (SELECT app_id, environment, objective FROM mart_slo_objectives_current
            WHERE isNull(valid_to) AND indicator NOT IN ('availability', 'latency'))
    ),
    (SELECT count() FROM mart_maintenance_current) AS windows,
    maintained AS
    (
        SELECT
            m.app_id AS whose, toString(m.environment) AS place,
            arrayJoin(range(intDiv(toUInt32(m.begins_at), 300) * 300, toUInt32(m.ends_at), 300)) AS slice
        FROM mart_maintenance_current AS m
        WHERE m.ends_at > (SELECT min(since) FROM firing)
    ),
    counted AS
    (
        SELECT
            app_id, environment, version, route, slice_start, kind, requests, errors, timed, within, is_cold_start
        FROM core_request_slices_current
        WHERE app_id IN (SELECT app_id FROM firing)
          AND slice_start >= (SELECT min(since) FROM firing)
          AND kind != 'health'
    ),
    judged AS
    (
        SELECT
            f.app_id AS app_id, f.environment AS environment, f.objective AS objective, c.version AS version, c.route AS route,
            sum(if(isNull(f.threshold_ms), c.errors, c.timed - c.within[indexOf({bounds_ms:Array(UInt32)}, assumeNotNull(f.threshold_ms))]) AS wrong) AS bad,
            sum(if(isNull(f.threshold_ms), c.requests, c.timed)) AS total,
            maxIf(c.slice_start, wrong > 0) AS last_bad
        FROM counted AS c
        INNER JOIN firing AS f ON c.app_id = f.app_id AND c.environment = f.environment
        WHERE c.slice_start >= f.since AND c.slice_start < f.as_of AND (isNull(f.threshold_ms) OR c.kind = 'server')
          AND (f.of_route = '' OR f.of_route IN (toString(c.route), replaceRegexpOne(toString(c.route), '^[A-Z]+ ', '')))
          AND NOT (f.without_cold_starts AND c.is_cold_start)
          AND (windows = 0 OR (  -- a constant: where nobody is in maintenance, nothing of it is read
                ('*', '*', toUInt32(c.slice_start)) NOT IN maintained
                AND (c.app_id, '*', toUInt32(c.slice_start)) NOT IN maintained
                AND ('*', toString(c.environment), toUInt32(c.slice_start)) NOT IN maintained
                AND (c.app_id, toString(c.environment), toUInt32(c.slice_start)) NOT IN maintained))
        GROUP BY app_id, environment, objective, version, route
        HAVING bad > 0
    )
SELECT
    app_id, toString(environment) AS environment, toString(objective) AS objective, toString(version) AS version,
    toString(route) AS route, bad, total, toDateTime64(judged.last_bad, 0, 'UTC') AS last_bad
FROM judged
ORDER BY app_id, environment, objective, bad DESC, total, version, route
LIMIT {row_limit:UInt32} BY app_id, environment, objective
