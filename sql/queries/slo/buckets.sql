-- purpose: bad and all events per app, environment and objective, summed between the boundaries of all windows, in one
--   pass over the slices; a slice enters whole or not at all
-- parameters: as_of DateTime (end of the newest slice counted), window_from DateTime (begin of the objectives' window),
--   slices_from DateTime (begin of the longest burn window: from here on slices are judged one by one),
--   edges Array(UInt32) (boundaries in seconds since 1970, ascending, the first is window_from), names Array(String)
--   (what is counted), rungs Array(UInt8) (place of its threshold on the latency ladder; 0: it counts errors),
--   budgets_ppb Array(UInt64) (share of events that may be bad, in parts per billion: a slice above it is a bad one),
--   bounds UInt8 (how many the ladder has), server, consumer, health Array(UInt8) (which of the names count requests of that kind, from 1)
-- columns: app_id, environment, objective, bucket DateTime64(0) (the boundary it begins at), bad, total, bad_slices,
--   first_bad DateTime64(0) (start of the first bad slice, NULL if none), other_ladders (slices cut by a ladder of another
--   length: their counts mean nothing)
WITH
    {as_of:DateTime('UTC')} AS as_of,
    events AS
    (
        SELECT
            app_id,
            environment,
            slice_start,
            number,
            length(within) != {bounds:UInt8} AS of_other_ladder,
            if({rungs:Array(UInt8)}[number] = 0, requests, timed) AS events,
            if({rungs:Array(UInt8)}[number] = 0, errors, timed - within[{rungs:Array(UInt8)}[number]]) AS wrong
        FROM core_request_slices_current
        ARRAY JOIN multiIf(
            kind = 'server', {server:Array(UInt8)},
            kind = 'consumer', {consumer:Array(UInt8)},
            {health:Array(UInt8)}) AS number
    )
SELECT
    app_id,
    toString(environment) AS environment,
    {names:Array(String)}[number] AS objective,
    toDateTime64(bucket, 0, 'UTC') AS bucket,
    sum(slice_bad) AS bad,
    sum(slice_total) AS total,
    countIf(is_bad) AS bad_slices,
    toDateTime64(minOrNullIf(slice_start, is_bad), 0, 'UTC') AS first_bad,
    sum(strange) AS other_ladders
FROM
(
    SELECT
        app_id,
        environment,
        number,
        slice_start,
        toDateTime(roundDown(toUInt32(slice_start), arrayConcat([toUInt32(0)], {edges:Array(UInt32)})), 'UTC') AS bucket,
        sum(events) AS slice_total,
        sum(wrong) AS slice_bad,
        slice_bad * 1000000000 > slice_total * {budgets_ppb:Array(UInt64)}[number] AS is_bad,
        countIf(of_other_ladder) AS strange
    FROM events
    WHERE slice_start >= {slices_from:DateTime('UTC')} AND slice_start < as_of
    GROUP BY app_id, environment, number, slice_start

    UNION ALL

    SELECT
        app_id, environment, number, {window_from:DateTime('UTC')}, {window_from:DateTime('UTC')}, sum(events),
        sum(wrong), false, countIf(of_other_ladder)
    FROM events
    WHERE slice_start >= {window_from:DateTime('UTC')} AND slice_start < {slices_from:DateTime('UTC')}
    GROUP BY app_id, environment, number
)
GROUP BY app_id, environment, number, bucket
HAVING total > 0
ORDER BY app_id, environment, objective, bucket
