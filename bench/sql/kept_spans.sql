-- purpose: spans of many apps, evenly over some days, as if loaded: where one app's hour lies is asked of them
-- parameters: spans UInt64, apps UInt64, days UInt64
-- columns: none
INSERT INTO otel.otel_traces
(
    Timestamp, TraceId, SpanId, SpanName, SpanKind, ServiceName, ResourceAttributes, SpanAttributes, Duration, StatusCode
)
WITH 'app-' || toString(cityHash64(number, 3) % {apps:UInt64}) AS app
SELECT
    toDateTime64('2026-01-01', 9, 'UTC') + toIntervalNanosecond(cityHash64(number, 1) % ({days:UInt64} * 86400000000000)),
    hex(sipHash128(number)),
    hex(cityHash64(number, 2)),
    'GET /' || toString(number % 7),
    if(number % 2, 'Server', 'Client'),
    app,
    map('service.name', app),
    map('http.route', '/x'),
    number % 1000000,
    'Unset'
FROM numbers({spans:UInt64})
