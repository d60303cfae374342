-- purpose: points of gauges, and of sums that may fall, that meet the conditions of what objectives count, by five minutes
-- parameters: days Array(Date), asked String (JSON, as for queries/indicators/logs)
-- columns: place UInt32, app_id, environment, slice_start DateTime64(0), counted UInt64, set_aside UInt64 (whose value is no
--   number), newest DateTime64(9)
WITH
-- shared: shared/indicator_asked
    ,
    told AS
    (
        SELECT app_id, environment, TimeUnix, toString(MetricName) AS name, MetricUnit, Value, ScopeName,
            toString(ServiceName) AS service, Attributes, ResourceAttributes
        FROM {{otel}}.otel_metrics_gauge_current
        WHERE toDate(TimeUnix) IN {days:Array(Date)} AND bitAnd(Flags, 1) = 0
          AND app_id IN (SELECT app FROM asked) AND MetricName IN (SELECT metric FROM asked)
        UNION ALL
        SELECT app_id, environment, TimeUnix, toString(MetricName), MetricUnit, Value, ScopeName,
            toString(ServiceName), Attributes, ResourceAttributes
        FROM {{otel}}.otel_metrics_sum_current
        WHERE toDate(TimeUnix) IN {days:Array(Date)} AND bitAnd(Flags, 1) = 0 AND NOT IsMonotonic AND AggregationTemporality = 2
          AND app_id IN (SELECT app FROM asked) AND MetricName IN (SELECT metric FROM asked)
    ),
    held AS
    (
        SELECT
            place, app_id, environment, TimeUnix AS at, isNaN(r.Value) AS is_none, a.needs AS all_needs,
            if(is_none, arrayFilter(need -> need.1 != 'value', all_needs), all_needs) AS needs,
            arrayMap(need -> multiIf(
                need.1 = 'attributes', r.Attributes[need.2],
                need.1 = 'resource', r.ResourceAttributes[need.2],
                need.1 = 'value', toString(r.Value),
                need.1 = 'unit', r.MetricUnit,
                need.1 = 'scope', r.ScopeName,
                r.service), needs) AS said
        FROM told AS r
        INNER JOIN asked AS a ON a.app = r.app_id AND a.metric = r.name
    )
SELECT
    place, toString(h.app_id) AS app_id, toString(h.environment) AS environment,
    toDateTime64(toStartOfFiveMinutes(toDateTime(h.at, 'UTC')), 0, 'UTC') AS slice_start,
    countIf(NOT h.is_none) AS counted, countIf(h.is_none) AS set_aside, maxIf(h.at, NOT h.is_none) AS newest
FROM held AS h
WHERE
-- shared: shared/indicator_meets
GROUP BY place, h.app_id, h.environment, slice_start
