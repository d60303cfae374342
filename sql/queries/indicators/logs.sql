-- purpose: log records of some days that meet the conditions of what objectives count, by five minutes
-- parameters: days Array(Date), asked String (JSON: a list of place, app, metric, by_end and needs, each with field, key, op,
--   texts and number; one line per app and count)
-- columns: place UInt32, app_id, environment, slice_start DateTime64(0), counted UInt64, set_aside UInt64, newest DateTime64(9)
WITH
-- shared: shared/indicator_asked
    ,
    held AS
    (
        SELECT
            place, app_id, environment, Timestamp AS at, a.needs AS needs,
            arrayMap(need -> multiIf(
                need.1 = 'attributes', r.LogAttributes[need.2],
                need.1 = 'resource', r.ResourceAttributes[need.2],
                need.1 = 'severity', toString(r.SeverityNumber),
                need.1 = 'severity_text', toString(r.SeverityText),
                need.1 = 'body', r.Body,
                need.1 = 'event_name', r.EventName,
                need.1 = 'scope', r.ScopeName,
                toString(r.ServiceName)), a.needs) AS said
        FROM {{otel}}.otel_logs_current AS r
        INNER JOIN asked AS a ON a.app = r.app_id
        WHERE toDate(r.Timestamp) IN {days:Array(Date)} AND r.app_id IN (SELECT app FROM asked)
    )
SELECT
    place, toString(h.app_id) AS app_id, toString(h.environment) AS environment,
    toDateTime64(toStartOfFiveMinutes(toDateTime(h.at, 'UTC')), 0, 'UTC') AS slice_start,
    count() AS counted, toUInt64(0) AS set_aside, max(h.at) AS newest
FROM held AS h
WHERE
-- shared: shared/indicator_meets
GROUP BY place, h.app_id, h.environment, slice_start
