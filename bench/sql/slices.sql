-- purpose: slices of one day for many apps, both objectives, as telemetry would give them
-- parameters: day Date, apps UInt64, batch_id UUID
-- columns: none
INSERT INTO core_sli_slices (slice_start, app_id, environment, objective, good, total, batch_id)
SELECT
    toDateTime({day:Date}, 'UTC') + (number % 288) * 300,
    concat('app-', toString(intDiv(number, 576))),
    'prod',
    if(intDiv(number, 288) % 2 = 0, 'availability', 'latency'),
    99 + (cityHash64(number) % 50 != 0),
    100,
    {batch_id:UUID}
FROM numbers({apps:UInt64} * 576)
