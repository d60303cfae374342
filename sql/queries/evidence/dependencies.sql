-- purpose: what some apps call, by their client spans: calls, failures and mean time in a range and before it, and which failed first
-- parameters: teams Array(String), apps Array(String), base_from, range_from, range_to DateTime64(9), grpc_errors_keys,
--   grpc_errors_values Array(String), http_errors, caller_faults Array(UInt16), row_limit UInt32 (per app)
-- columns: app_id, peer, calls, failed, calls_before, failed_before, first_failed DateTime64(3) (null: none), mean_ms Float64,
--   mean_ms_before Float64 (null: no call)
WITH called AS
(
    SELECT
        toString(app_id) AS of_app, Timestamp, Duration, has_end,
-- shared: shared/evidence_peer
        AS peer,
-- shared: shared/evidence_classified
        != '' AS is_failed,
        Timestamp >= {range_from:DateTime64(9, 'UTC')} AS is_in_range
    FROM {{otel}}.otel_traces_current
    WHERE app_id IN {apps:Array(String)}
      AND app_id IN (SELECT app_id FROM mart_app_inventory_current WHERE team IN {teams:Array(String)})
      AND Timestamp >= {base_from:DateTime64(9, 'UTC')} AND Timestamp < {range_to:DateTime64(9, 'UTC')}
      AND SpanKind IN ('Client', 'Producer', 'SPAN_KIND_CLIENT', 'SPAN_KIND_PRODUCER')
)
SELECT
    of_app AS app_id,
    peer,
    countIf(is_in_range) AS calls,
    countIf(is_in_range AND is_failed) AS failed,
    countIf(NOT is_in_range) AS calls_before,
    countIf(NOT is_in_range AND is_failed) AS failed_before,
    if(failed = 0, NULL, toDateTime64(minIf(Timestamp, is_in_range AND is_failed), 3, 'UTC')) AS first_failed,
    if(countIf(is_in_range AND has_end) = 0, NULL, sumIf(Duration, is_in_range AND has_end) / countIf(is_in_range AND has_end) / 1e6) AS mean_ms,
    if(countIf(NOT is_in_range AND has_end) = 0, NULL, sumIf(Duration, NOT is_in_range AND has_end) / countIf(NOT is_in_range AND has_end) / 1e6) AS mean_ms_before
FROM called
GROUP BY app_id, peer
ORDER BY app_id, failed DESC, first_failed, calls DESC, peer
LIMIT {row_limit:UInt32} BY app_id
