-- purpose: bad and all events of the newest minutes by app, environment, objective and moment of some seconds, where enough of
--   them are bad; production alone, and each span once as otel_traces_current has it
-- parameters: since, until DateTime64(9) (from when on, before when), moment_seconds UInt32, least_bad UInt64 (fewer bad events
--   are no matter), grpc_errors_keys, grpc_errors_values Array(String), http_errors, caller_faults Array(UInt16), health_paths,
--   health_services, health_agents String, health_methods Array(String), bounds_ns Array(UInt64), sampled_trace_state String,
--   sampler_types Array(String) (as core_request_slices takes them), and
--   maintained_calendars,
--   maintained_from, maintained_to, maintained_app_calendars, maintained_environment_calendars, maintained_pair_calendars
--   Array(UInt32), maintained_apps, maintained_environments, maintained_pairs Array(String) (as shared/maintained has them, whose spans are left out)
-- columns: app_id, environment, objective, team, target, threshold_ms UInt32, window_days, moment DateTime64(0) (its begin), bad, total
-- Objectives of the requests of a whole app alone, by occurrences: those of a route, without cold starts, by slices of time, of
-- anything else than requests, or with alert policies of their own wait for their slices. What stands for other spans, and apps whose slices are counted from metrics or from a sample, is left out: a sample may keep
-- every error and few of the rest. A threshold is one of the ladder's bounds, as in slices.
WITH
-- shared: shared/maintained
    ,
    spans AS
    (
        SELECT
            toString(app_id) AS app,
            toString(environment) AS place,
            request_kind(SpanKind, SpanName, SpanAttributes, {health_paths:String}, {health_services:String},
                {health_agents:String}, {health_methods:Array(String)}) AS kind,
            toUInt32(intDiv(toUnixTimestamp(Timestamp), {moment_seconds:UInt32}) * {moment_seconds:UInt32}) AS moment,
            request_error_class(
                SpanKind, StatusCode, SpanAttributes, {http_errors:Array(UInt16)}, {caller_faults:Array(UInt16)},
                {grpc_errors_keys:Array(String)}, {grpc_errors_values:Array(String)}) != '' AS failed,
            has_end AS is_timed,
            toDateTime(intDiv(toUnixTimestamp(Timestamp), 300) * 300, 'UTC') AS slice_start,
            arrayFirst(bound -> Duration <= bound, {bounds_ns:Array(UInt64)}) AS within_ns,
            match(TraceState, {sampled_trace_state:String})
                OR has({sampler_types:Array(String)}, SpanAttributes['sampler.type'])
                OR toFloat64OrZero(SpanAttributes['SampleRate']) > 1 AS stands_for_others
        FROM {{otel}}.otel_traces_current
        WHERE Timestamp >= {since:DateTime64(9, 'UTC')} AND Timestamp < {until:DateTime64(9, 'UTC')}
          AND request_is(SpanKind) AND app_id != ''
          AND NOT
-- shared: shared/in_maintenance
    ),
    summed AS
    (
        SELECT app, place, kind, moment, is_timed, within_ns, failed, count() AS requests, max(stands_for_others) AS is_sample
        FROM spans
        WHERE kind != 'health'
        GROUP BY app, place, kind, moment, is_timed, within_ns, failed
    ),
    judged AS
    (
        SELECT
            s.app AS app, s.place AS place, toString(p.objective) AS objective, s.moment AS moment,
            any(toString(p.team)) AS team, any(p.target) AS target, any(p.threshold_ms) AS threshold_ms,
            any(p.window_days) AS window_days,
            sum(if(isNull(p.threshold_ms), s.failed,
                s.within_ns = 0 OR s.within_ns > toUInt64(assumeNotNull(p.threshold_ms)) * 1000000) * s.requests) AS bad,
            sum(s.requests) AS total,
            max(s.is_sample) AS is_sample
        FROM summed AS s
        INNER JOIN
        (
            SELECT t.app_id, t.environment, t.objective, t.team, t.target, t.threshold_ms, window_days, span_kinds
            FROM mart_slo_states_current AS t
            INNER JOIN
            (
                SELECT app_id, environment, objective, span_kinds
                FROM mart_slo_objectives_current
                WHERE isNull(valid_to) AND indicator IN ('availability', 'latency') AND budgeting_method = 'Occurrences'
                  AND route = '' AND NOT without_cold_starts AND alerting = ''
            ) AS o ON o.app_id = t.app_id AND o.environment = t.environment AND o.objective = t.objective
            WHERE t.is_production AND t.environment != ''
        ) AS p ON p.app_id = s.app AND p.environment = s.place
        WHERE has(p.span_kinds, s.kind) AND (isNull(p.threshold_ms) OR s.is_timed)
        GROUP BY app, place, objective, moment
    ),
    weighed AS
    (
        SELECT
            *, sum(bad) OVER (PARTITION BY app, place, objective) AS all_bad,
            max(is_sample) OVER (PARTITION BY app, place) AS has_sample
        FROM judged
    )
SELECT
    app AS app_id, place AS environment, objective, team, target, threshold_ms, window_days,
    toDateTime64(toDateTime(moment, 'UTC'), 0, 'UTC') AS moment, bad, total
FROM weighed
WHERE all_bad >= {least_bad:UInt64} AND NOT has_sample
ORDER BY app_id, environment, objective, moment
