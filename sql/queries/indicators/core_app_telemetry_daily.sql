-- purpose: rows of a day of an app; a day is its midnight, on some days, that meet the conditions of what objectives count, or the events a column of
--   them holds, by the five minutes they begin in
-- parameters: days Array(Date), asked String (JSON, as for queries/indicators/logs, and `summed`: the column, empty for rows)
-- columns: place UInt32, app_id, environment, slice_start DateTime64(0), counted UInt64, set_aside UInt64 (none here),
--   newest DateTime64(9)
WITH
-- shared: shared/indicator_asked
    ,
    held AS
    (
        SELECT
            place, app_id, environment, toDateTime64(toDateTime(r.usage_date, 'UTC'), 9, 'UTC') AS at, a.needs AS needs,
            multiIf(
                a.summed = 'spans', toUInt64(r.spans),
                a.summed = 'logs', toUInt64(r.logs),
                a.summed = 'metric_points', toUInt64(r.metric_points),
                a.summed = 'requests', toUInt64(r.requests),
                a.summed = 'errors', toUInt64(r.errors),
                a.summed = 'health_checks', toUInt64(r.health_checks),
                a.summed = 'health_errors', toUInt64(r.health_errors),
                toUInt64(1)) AS events,
            arrayMap(need -> multiIf(
                need.1 = 'environment', toString(r.environment),
                need.1 = 'spans', toString(r.spans),
                need.1 = 'logs', toString(r.logs),
                need.1 = 'metric_points', toString(r.metric_points),
                need.1 = 'requests', toString(r.requests),
                need.1 = 'errors', toString(r.errors),
                need.1 = 'health_checks', toString(r.health_checks),
                need.1 = 'health_errors', toString(r.health_errors),
                need.1 = 'duration_p50_ms', ifNull(toString(r.duration_p50_ms), ''),
                ifNull(toString(r.duration_p95_ms), '')), a.needs) AS said
        FROM core_app_telemetry_daily_current AS r
        INNER JOIN asked AS a ON a.app = r.app_id
        WHERE r.usage_date IN {days:Array(Date)} AND r.app_id IN (SELECT app FROM asked)
    )
SELECT
    place, toString(h.app_id) AS app_id, toString(h.environment) AS environment,
    toDateTime64(toStartOfFiveMinutes(toDateTime(h.at, 'UTC')), 0, 'UTC') AS slice_start,
    sum(h.events) AS counted, toUInt64(0) AS set_aside, max(h.at) AS newest
FROM held AS h
WHERE
-- shared: shared/indicator_meets
GROUP BY place, h.app_id, h.environment, slice_start
HAVING counted > 0
