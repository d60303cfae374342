-- purpose: good, bad and all events per app and objective over the SLO window and every burn window, in one pass
-- parameters: as_of DateTime (end of the newest slice counted), window_days UInt16 (at least 3),
--   budget_ppb_keys Array(String), budget_ppb_values Array(UInt64) (objective -> share of events that may be bad, in parts
--   per billion: a slice above it is a bad one), rungs_keys Array(String), rungs_values Array(UInt64) (objective -> place of
--   its threshold on the latency ladder, 0 where it counts errors), server Array(String), consumer Array(String)
--   (objectives that count requests of that kind)
-- columns: app_id, objective, good, total, and for each of 5m, 30m, 1h, 2h, 6h, 1d, 3d: bad_<w> Int64, total_<w> UInt64;
--   first_bad_1h, first_bad_6h, first_bad_1d, first_bad_3d DateTime64(3): start of the first bad slice, NULL if none
WITH
    {as_of:DateTime('UTC')} AS as_of,
    as_of - INTERVAL 5 MINUTE AS from_5m,
    as_of - INTERVAL 30 MINUTE AS from_30m,
    as_of - INTERVAL 1 HOUR AS from_1h,
    as_of - INTERVAL 2 HOUR AS from_2h,
    as_of - INTERVAL 6 HOUR AS from_6h,
    as_of - INTERVAL 1 DAY AS from_1d,
    as_of - INTERVAL 3 DAY AS from_3d,
    toInt64(s.total) - s.good AS bad,
    transform(toString(s.objective), {budget_ppb_keys:Array(String)}, {budget_ppb_values:Array(UInt64)}, 0::UInt64) AS budget_ppb,
    slice_start >= from_3d AND bad * 1000000000 > s.total * budget_ppb AS is_bad
SELECT
    app_id,
    toString(s.objective) AS objective,
    sum(s.good) AS good,
    sum(s.total) AS total,
    sumIf(bad, slice_start >= from_5m) AS bad_5m,
    sumIf(s.total, slice_start >= from_5m) AS total_5m,
    sumIf(bad, slice_start >= from_30m) AS bad_30m,
    sumIf(s.total, slice_start >= from_30m) AS total_30m,
    sumIf(bad, slice_start >= from_1h) AS bad_1h,
    sumIf(s.total, slice_start >= from_1h) AS total_1h,
    sumIf(bad, slice_start >= from_2h) AS bad_2h,
    sumIf(s.total, slice_start >= from_2h) AS total_2h,
    sumIf(bad, slice_start >= from_6h) AS bad_6h,
    sumIf(s.total, slice_start >= from_6h) AS total_6h,
    sumIf(bad, slice_start >= from_1d) AS bad_1d,
    sumIf(s.total, slice_start >= from_1d) AS total_1d,
    sumIf(bad, slice_start >= from_3d) AS bad_3d,
    sumIf(s.total, slice_start >= from_3d) AS total_3d,
    toDateTime64(minOrNullIf(slice_start, is_bad AND slice_start >= from_1h), 3, 'UTC') AS first_bad_1h,
    toDateTime64(minOrNullIf(slice_start, is_bad AND slice_start >= from_6h), 3, 'UTC') AS first_bad_6h,
    toDateTime64(minOrNullIf(slice_start, is_bad AND slice_start >= from_1d), 3, 'UTC') AS first_bad_1d,
    toDateTime64(minOrNullIf(slice_start, is_bad), 3, 'UTC') AS first_bad_3d
FROM
(
    SELECT
        app_id,
        slice_start,
        counted.1 AS objective,
        if(counted.2 = 0, requests, timed) AS total,
        total - if(counted.2 = 0, errors, timed - within[counted.2]) AS good
    FROM core_request_slices_current
    ARRAY JOIN arrayZip({rungs_keys:Array(String)}, {rungs_values:Array(UInt64)}) AS counted
    WHERE slice_start >= as_of - INTERVAL {window_days:UInt16} DAY AND slice_start < as_of
      AND has(if(kind = 'server', {server:Array(String)}, {consumer:Array(String)}), counted.1) AND kind != 'health'
) AS s
WHERE s.total > 0
GROUP BY app_id, s.objective
ORDER BY app_id, objective
