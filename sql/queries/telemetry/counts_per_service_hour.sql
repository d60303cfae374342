-- purpose: what counts per signal, service and hour: spans, metric points and log records once each
-- parameters: none
-- columns: signal, service_name, hour, records
SELECT signal, service_name, toDateTime64(hour, 0, 'UTC') AS hour, records
FROM
(
    SELECT 'traces' AS signal, toString(ServiceName) AS service_name, toStartOfHour(Timestamp) AS hour, count() AS records
    FROM {{otel}}.otel_traces_current GROUP BY service_name, hour
    UNION ALL
    SELECT 'logs' AS signal, toString(ServiceName) AS service_name, toStartOfHour(Timestamp) AS hour, count() AS records
    FROM {{otel}}.otel_logs_current GROUP BY service_name, hour
    UNION ALL
    SELECT 'metrics' AS signal, toString(ServiceName) AS service_name, toStartOfHour(TimeUnix) AS hour, count() AS records
    FROM merge('{{otel}}', '^otel_metrics_(gauge|sum|summary|histogram|exponential_histogram)_current$')
    GROUP BY service_name, hour
)
ORDER BY signal, service_name, hour
