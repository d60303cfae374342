-- purpose: spans of some days that meet the conditions of what objectives count, by five minutes of their start, or of their end
--   where the age of the newest is asked for: a job that takes long succeeded when it ended
-- parameters: days Array(Date) (of their start), asked String (JSON, as for queries/indicators/logs)
-- columns: place UInt32, app_id, environment, slice_start DateTime64(0), counted UInt64, set_aside UInt64 (without an end where
--   it is asked for), newest DateTime64(9)
WITH
-- shared: shared/indicator_asked
    ,
    held AS
    (
        SELECT
            place, app_id, environment, by_end AND NOT r.has_end AS is_open, a.needs AS needs,
            if(by_end, r.Timestamp + toIntervalNanosecond(r.Duration), r.Timestamp) AS at,
            arrayMap(need -> multiIf(
                need.1 = 'attributes', r.SpanAttributes[need.2],
                need.1 = 'resource', r.ResourceAttributes[need.2],
                need.1 = 'name', toString(r.SpanName),
                need.1 = 'kind', lower(replaceOne(toString(r.SpanKind), 'SPAN_KIND_', '')),
                need.1 = 'status', lower(replaceOne(toString(r.StatusCode), 'STATUS_CODE_', '')),
                need.1 = 'duration_ms', toString(r.Duration / 1000000),
                need.1 = 'scope', r.ScopeName,
                toString(r.ServiceName)), a.needs) AS said
        FROM {{otel}}.otel_traces_current AS r
        INNER JOIN asked AS a ON a.app = r.app_id
        WHERE toDate(r.Timestamp) IN {days:Array(Date)} AND r.app_id IN (SELECT app FROM asked)
    )
SELECT
    place, toString(h.app_id) AS app_id, toString(h.environment) AS environment,
    toDateTime64(toStartOfFiveMinutes(toDateTime(h.at, 'UTC')), 0, 'UTC') AS slice_start,
    countIf(NOT h.is_open) AS counted, countIf(h.is_open) AS set_aside, maxIf(h.at, NOT h.is_open) AS newest
FROM held AS h
WHERE
-- shared: shared/indicator_meets
GROUP BY place, h.app_id, h.environment, slice_start
