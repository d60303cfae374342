-- purpose: bad and all events per app, environment and objective, summed between the boundaries of all windows; a slice
--   enters whole or not at all
-- parameters: as_of DateTime (end of the newest slice counted), window_from DateTime (begin of the objectives' window),
--   slices_from DateTime (begin of the longest burn window: from here on slices are judged one by one),
--   edges Array(UInt32) (boundaries in seconds since 1970, ascending, the first is window_from), names Array(String)
--   (what is counted), rungs Array(UInt8) (place of its threshold on the latency ladder; 0: it counts errors),
--   budgets_ppb Array(UInt64) (share of events that may be bad, in parts per billion: a slice above it is a bad one),
--   bounds UInt8 (how many the ladder has), least_rung UInt8 (place of the lowest threshold, or the last: who is within it is
--   within all), server, consumer, health Array(UInt8) (which of the names count requests of that kind, from 1)
-- columns: app_id, environment, objective, bucket DateTime64(0) (the boundary it begins at), bad, total, bad_slices,
--   first_bad DateTime64(0) (start of the first bad slice, NULL if none), other_ladders (slices cut by a ladder of another
--   length: their counts mean nothing)
-- Sums are made per kind first and shared out to objectives after: a ladder carried through a lambda is copied for
-- each of them. Only slices in which something went wrong or was slow are looked at one by one;
-- one that shares the hash of such a slice adds nothing, as nothing in it is bad. Between window_from and slices_from is no
-- boundary: whole hours there come from core_request_hours, of days that were published with them.
WITH
    {as_of:DateTime('UTC')} AS as_of,
    toStartOfHour({window_from:DateTime('UTC')} + INTERVAL 3599 SECOND) AS hours_from,
    toStartOfHour({slices_from:DateTime('UTC')}) AS hours_to,
    slices AS
    (
        SELECT
            app_id, environment, kind, slice_start, requests, errors, timed, within,
            roundDown(toUInt32(slice_start), arrayConcat([toUInt32(0)], {edges:Array(UInt32)})) AS bucket
        FROM core_request_slices_current
        WHERE slice_start >= {window_from:DateTime('UTC')} AND slice_start < as_of
          AND (
                slice_start < hours_from OR slice_start >= hours_to
                OR toDate(slice_start) NOT IN (SELECT period FROM current_batches WHERE table_name = 'core_request_hours')
            )
    ),
    troubled AS
    (
        SELECT cityHash64(app_id, environment, slice_start)
        FROM slices
        WHERE slice_start >= {slices_from:DateTime('UTC')} AND (errors > 0 OR within[{least_rung:UInt8}] < timed)
    ),
    summed AS
    (
        SELECT
            app_id, environment, kind, bucket,
            if(
                slice_start >= {slices_from:DateTime('UTC')} AND cityHash64(app_id, environment, slice_start) IN troubled,
                toUInt32(slice_start), toUInt32(0)) AS alone,
            sum(requests) AS requests, sum(errors) AS errors, sum(timed) AS timed, sumForEach(within) AS within,
            countIf(length(slices.within) != {bounds:UInt8}) AS strange
        FROM slices
        GROUP BY app_id, environment, kind, bucket, alone
        UNION ALL
        SELECT
            app_id, environment, kind, toUInt32({window_from:DateTime('UTC')}), toUInt32(0),
            sum(hours.requests), sum(hours.errors), sum(hours.timed), sumForEach(hours.within),
            countIf(length(hours.within) != {bounds:UInt8})
        FROM core_request_hours_current AS hours
        WHERE hour >= hours_from AND hour < hours_to
        GROUP BY app_id, environment, kind
    ),
    judged AS
    (
        SELECT
            app_id,
            environment,
            bucket,
            alone,
            sumForEach(arrayMap((on, rung) -> on * if(rung = 0, requests, timed), counts, {rungs:Array(UInt8)})) AS totals,
            sumForEach(arrayMap(
                (on, rung) -> on * if(rung = 0, errors, toUInt64(timed - within[rung])), counts, {rungs:Array(UInt8)})) AS bads,
            sum(strange) AS strange
        FROM
        (
            SELECT
                *,
                multiIf(
                    kind = 'server', {server:Array(UInt8)},
                    kind = 'consumer', {consumer:Array(UInt8)},
                    {health:Array(UInt8)}) AS counts
            FROM summed
        )
        GROUP BY app_id, environment, bucket, alone
    ),
    gathered AS
    (
        SELECT
            app_id,
            environment,
            bucket,
            sumForEach(totals) AS totals,
            sumForEach(bads) AS bads,
            sumForEachIf(is_bad, alone > 0) AS bad_slices,
            minForEachIf(arrayMap(bad -> if(bad, alone, 4294967295), is_bad), alone > 0) AS first_bads,
            sum(strange) AS other_ladders
        FROM
        (
            SELECT
                *,
                arrayMap(
                    (bad, total, budget) -> bad * 1000000000 > total * budget,
                    bads, totals, {budgets_ppb:Array(UInt64)}) AS is_bad
            FROM judged
        )
        GROUP BY app_id, environment, bucket
    )
SELECT
    app_id,
    toString(environment) AS environment,
    {names:Array(String)}[number] AS objective,
    toDateTime64(toDateTime(g.bucket, 'UTC'), 0, 'UTC') AS bucket,
    toUInt64(bads[number]) AS bad,
    toUInt64(totals[number]) AS total,
    toUInt64(g.bad_slices[number]) AS bad_slices,
    if(bad_slices = 0, NULL, toDateTime64(toDateTime(first_bads[number], 'UTC'), 0, 'UTC')) AS first_bad,
    other_ladders
FROM gathered AS g
ARRAY JOIN arrayEnumerate({names:Array(String)}) AS number
WHERE totals[number] > 0
