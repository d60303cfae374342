-- purpose: the first slices of one day for many apps, one route each, as telemetry would give them
-- parameters: day Date, slices UInt64 (288 are the whole day), apps UInt64, bounds UInt64 (of the latency ladder), batch_id UUID
-- columns: none
INSERT INTO core_request_slices
    (slice_start, app_id, environment, version, route, kind, requests, errors, timed, within, batch_id)
SELECT
    toDateTime({day:Date}, 'UTC') + (number % {slices:UInt64}) * 300,
    concat('app-', toString(intDiv(number, {slices:UInt64}))),
    'production',
    '1.4.0',
    'GET /api/items',
    'server',
    100,
    cityHash64(number) % 50 = 0,
    100,
    arrayMap(rung -> toUInt32(least(100 - (cityHash64(number, 1) % 50 = 0), rung * (15 + number % 5))), range(1, {bounds:UInt64} + 1)),
    {batch_id:UUID}
FROM numbers({apps:UInt64} * {slices:UInt64})
