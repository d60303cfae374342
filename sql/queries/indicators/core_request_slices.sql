-- purpose: rows of five minutes of an app, on some days, that meet the conditions of what objectives count, or the events a column of
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
            place, app_id, environment, toDateTime64(r.slice_start, 9, 'UTC') AS at, a.needs AS needs,
            multiIf(
                a.summed = 'requests', toUInt64(r.requests),
                a.summed = 'errors', toUInt64(r.errors),
                a.summed = 'timed', toUInt64(r.timed),
                toUInt64(1)) AS events,
            arrayMap(need -> multiIf(
                need.1 = 'environment', toString(r.environment),
                need.1 = 'version', r.version,
                need.1 = 'route', r.route,
                need.1 = 'kind', toString(r.kind),
                need.1 = 'counted_from', toString(r.counted_from),
                need.1 = 'is_cold_start', toString(r.is_cold_start),
                need.1 = 'requests', toString(r.requests),
                need.1 = 'errors', toString(r.errors),
                toString(r.timed)), a.needs) AS said
        FROM core_request_slices_current AS r
        INNER JOIN asked AS a ON a.app = r.app_id
        WHERE toDate(r.slice_start) IN {days:Array(Date)} AND r.app_id IN (SELECT app FROM asked)
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
