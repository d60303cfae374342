-- purpose: what counters that never fall grew by on some days, of the series that meet the conditions of what objectives count, by
--   the five minutes their points lie in
-- parameters: days Array(Date), asked String (JSON, as for queries/indicators/logs), series_cap UInt64 (series of one counter of an
--   app and day beyond which none of it is counted)
-- columns: place UInt32, app_id, environment, slice_start DateTime64(0), counted UInt64, set_aside UInt64 (points that grew by no
--   whole number, fell though they began no later, or are of too many series), newest DateTime64(9)
-- A cumulative series counts by what it grew since the point before, which may lie on the day before; one that began later than that
-- point began anew, and so did one that fell and does not say when it began. A first point counts where others of its process were
-- there before it, as one that fails for the first time does, or where it began within the hour before it. The same as requests
-- from histograms (statements/core_request_slices_of_metrics), but for a fall without a beginning.
WITH
-- shared: shared/indicator_asked
    ,
    points AS
    (
        SELECT
            toDate(TimeUnix) AS day, app_id, environment, toString(MetricName) AS name, MetricUnit, ScopeName,
            toString(ServiceName) AS service, Attributes, ResourceAttributes, Value, TimeUnix AS at, StartTimeUnix AS began,
            AggregationTemporality = 1 AS is_delta,
            otlp_series(ResourceAttributes, ScopeName, ScopeVersion, ScopeAttributes, Attributes) AS series,
            sipHash128(mapSort(ResourceAttributes)) AS process
        FROM {{otel}}.otel_metrics_sum_current
        WHERE toDate(TimeUnix) IN arrayConcat({days:Array(Date)}, arrayMap(day -> day - 1, {days:Array(Date)}))
          AND bitAnd(Flags, 1) = 0 AND IsMonotonic AND AggregationTemporality IN (1, 2)
          AND app_id IN (SELECT app FROM asked) AND MetricName IN (SELECT metric FROM asked)
    ),
    crowded AS
    (
        SELECT app_id, name, day FROM points GROUP BY app_id, name, day HAVING uniqExact(series) > {series_cap:UInt64}
    ),
    followed AS
    (
        SELECT
            *,
            count() OVER before AS earlier,
            lagInFrame(Value) OVER before AS value_before,
            lagInFrame(at) OVER before AS at_before,
            lagInFrame(began) OVER before AS began_before,
            min(at) OVER (PARTITION BY app_id, name, process, began) AS watched_from
        FROM points
        WHERE (app_id, name, day) NOT IN crowded
        WINDOW before AS (
            PARTITION BY app_id, name, series ORDER BY at, began, Value ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
    ),
    grown AS
    (
        SELECT
            f.* EXCEPT (series, process),
            NOT is_delta AND earlier > 1 AND began < at_before AS is_continued,
            is_continued AND f.Value < value_before AS has_fallen,
            multiIf(
                is_delta, f.Value,
                has_fallen AND toUnixTimestamp64Nano(began) = 0, f.Value,
                is_continued, f.Value - value_before,
                earlier > 1 OR watched_from < at OR began > at - INTERVAL 1 HOUR, f.Value,
                0.) AS growth,
            growth >= 0 AND growth < 9007199254740992 AND growth = floor(growth) AS is_whole
        FROM followed AS f
        WHERE day IN {days:Array(Date)}
    ),
    told AS
    (
        SELECT
            app_id, environment, at, name, MetricUnit, ScopeName, service, Attributes, ResourceAttributes,
            if(g.is_whole, toUInt64(g.growth), toUInt64(0)) AS events, NOT g.is_whole AS is_none
        FROM grown AS g
        UNION ALL
        SELECT app_id, environment, at, name, MetricUnit, ScopeName, service, Attributes, ResourceAttributes, toUInt64(0), true
        FROM points
        WHERE day IN {days:Array(Date)} AND (app_id, name, day) IN crowded
    ),
    held AS
    (
        SELECT
            place, app_id, environment, r.at AS at, r.events AS events, r.is_none AS is_none, a.needs AS needs,
            arrayMap(need -> multiIf(
                need.1 = 'attributes', r.Attributes[need.2],
                need.1 = 'resource', r.ResourceAttributes[need.2],
                need.1 = 'unit', r.MetricUnit,
                need.1 = 'scope', r.ScopeName,
                r.service), needs) AS said
        FROM told AS r
        INNER JOIN asked AS a ON a.app = r.app_id AND a.metric = r.name
    )
SELECT
    place, toString(h.app_id) AS app_id, toString(h.environment) AS environment,
    toDateTime64(toStartOfFiveMinutes(toDateTime(h.at, 'UTC')), 0, 'UTC') AS slice_start,
    sum(h.events) AS counted, countIf(h.is_none) AS set_aside, max(h.at) AS newest
FROM held AS h
WHERE
-- shared: shared/indicator_meets
GROUP BY place, h.app_id, h.environment, slice_start
