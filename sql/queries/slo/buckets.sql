-- purpose: bad and all events per app, environment and objective, summed between the boundaries of all windows; a slice
--   enters whole or not at all
-- parameters: as_of DateTime (end of the newest slice counted), window_from DateTime (begin of the objectives' window),
--   slices_from DateTime (begin of the longest burn window: from here on slices are judged one by one),
--   edges Array(UInt32) (boundaries in seconds since 1970, ascending, the first is window_from), names Array(String)
--   (what is counted), rungs Array(UInt8) (place of its threshold on the latency ladder; 0: it counts errors),
--   cut_hours Array(UInt32) (begins of the hours that lie in no bucket whole), cut_days Array(Date) (the days they are of),
--   budgets_ppb Array(UInt64) (share of events that may be bad, in parts per billion: a slice above it is a bad one),
--   bounds UInt8 (how many the ladder has), least_rung UInt8 (place of the lowest threshold, or the last: who is within it is
--   within all), server, consumer, health Array(UInt8) (places, from 1, of the names that
--   count requests of that kind), apps Array(String) (only these; empty: all), and maintained_calendars,
--   maintained_from, maintained_to, maintained_app_calendars, maintained_environment_calendars, maintained_pair_calendars
--   Array(UInt32), maintained_apps, maintained_environments, maintained_pairs Array(String) (as shared/maintained has them)
-- columns: app_id, environment, objective, bucket DateTime64(0) (the boundary it begins at), bad, total, bad_slices,
--   first_bad DateTime64(0) (start of the first bad slice, NULL if none), other_ladders (slices cut by a ladder of another
--   length: their counts mean nothing), in_maintenance (events that are left out)
-- Whole hours come from core_request_hours, of days that were published with them; slices only where a boundary cuts an hour,
-- read from the batches of those days alone, and, from slices_from on, those that may be bad, which are judged one by one
-- (alone > 0) and count nothing besides. A slice none of whose rows exceeds the smallest budget exceeds none; one that
-- shares the hash of another adds nothing, as nothing in it is bad. Sums are made per kind first and shared out to objectives
-- after, without a lambda, which would copy a ladder for each. What is in maintenance is counted with the rest and taken off again
-- (is_out): by core_maintenance_hours, and by its slices where a boundary cuts an hour.
WITH
    arrayConcat([toUInt32(0)], {edges:Array(UInt32)}) AS boundaries,
    days AS (SELECT period FROM current_batches WHERE table_name = 'core_request_hours'),
-- shared: shared/maintained
    ,
    troubled AS
    (
        SELECT cityHash64(app_id, environment, slice_start)
        FROM core_request_slices_current
        WHERE slice_start >= {slices_from:DateTime('UTC')} AND slice_start < {as_of:DateTime('UTC')}
          AND (empty({apps:Array(String)}) OR app_id IN {apps:Array(String)})
          AND (
                errors * 1000000000 > requests * arrayMin({budgets_ppb:Array(UInt64)})
                OR (timed - within[{least_rung:UInt8}]) * 1000000000 > timed * arrayMin({budgets_ppb:Array(UInt64)})
            )
    ),
    summed AS
    (
        SELECT
            app_id, environment, kind, roundDown(toUInt32(hour), boundaries) AS bucket, toUInt32(0) AS alone, false AS is_out,
            sum(hours.requests) AS requests, sum(hours.errors) AS errors, sum(hours.timed) AS timed,
            sumForEach(hours.within) AS within, countIf(length(hours.within) != {bounds:UInt8}) AS strange
        FROM core_request_hours_current AS hours
        WHERE hour >= {window_from:DateTime('UTC')} AND hour < {as_of:DateTime('UTC')}
          AND (empty({apps:Array(String)}) OR app_id IN {apps:Array(String)})
          AND toUInt32(hour) NOT IN {cut_hours:Array(UInt32)}
        GROUP BY app_id, environment, kind, bucket
        UNION ALL
        SELECT
            app_id, environment, kind, roundDown(toUInt32(slice_start), boundaries) AS bucket, toUInt32(0), false,
            sum(slices.requests), sum(slices.errors), sum(slices.timed),
            sumForEach(slices.within), countIf(length(slices.within) != {bounds:UInt8})
        FROM core_request_slices AS slices
        WHERE (toDate(slice_start), batch_id) IN (
                SELECT period, batch_id FROM current_batches
                WHERE table_name = 'core_request_slices' AND (period IN {cut_days:Array(Date)} OR period NOT IN days)
            )
          AND slice_start >= {window_from:DateTime('UTC')} AND slice_start < {as_of:DateTime('UTC')}
          AND (empty({apps:Array(String)}) OR app_id IN {apps:Array(String)})
          AND (toUInt32(toStartOfHour(slice_start)) IN {cut_hours:Array(UInt32)} OR toDate(slice_start) NOT IN days)
        GROUP BY app_id, environment, kind, bucket
        UNION ALL
        SELECT
            app_id, environment, kind, bucket, toUInt32(slice_start) AS alone,
-- shared: shared/in_maintenance
            AS is_out,
            requests, errors, timed, within, 0
        FROM
        (
            SELECT
                app_id, environment, kind, slice_start, roundDown(toUInt32(slice_start), boundaries) AS bucket,
                sum(slices.requests) AS requests, sum(slices.errors) AS errors, sum(slices.timed) AS timed,
                sumForEach(slices.within) AS within
            FROM core_request_slices_current AS slices
            WHERE slice_start >= {slices_from:DateTime('UTC')} AND slice_start < {as_of:DateTime('UTC')}
              AND (empty({apps:Array(String)}) OR app_id IN {apps:Array(String)})
              AND cityHash64(app_id, environment, slice_start) IN troubled
            GROUP BY app_id, environment, kind, bucket, slice_start
        )
        UNION ALL
        SELECT
            app_id, environment, kind, roundDown(toUInt32(hour), boundaries) AS bucket, toUInt32(0), true,
            sum(hours.requests), sum(hours.errors), sum(hours.timed), sumForEach(hours.within), 0
        FROM core_maintenance_hours_current AS hours
        WHERE notEmpty({maintained_calendars:Array(UInt32)}) AND hour >= {window_from:DateTime('UTC')} AND hour < {as_of:DateTime('UTC')}
          AND (empty({apps:Array(String)}) OR app_id IN {apps:Array(String)})
          AND toUInt32(hour) NOT IN {cut_hours:Array(UInt32)}
        GROUP BY app_id, environment, kind, bucket
        UNION ALL
        SELECT
            app_id, environment, kind, roundDown(toUInt32(slice_start), boundaries) AS bucket, toUInt32(0), true,
            sum(slices.requests), sum(slices.errors), sum(slices.timed), sumForEach(slices.within), 0
        FROM core_request_slices AS slices
        WHERE notEmpty({maintained_calendars:Array(UInt32)}) AND (toDate(slice_start), batch_id) IN (
                SELECT period, batch_id FROM current_batches
                WHERE table_name = 'core_request_slices' AND period IN {cut_days:Array(Date)}
                  AND period IN (SELECT toDate(toDateTime(slice, 'UTC')) FROM maintained)
            )
          AND slice_start >= {window_from:DateTime('UTC')} AND slice_start < {as_of:DateTime('UTC')}
          AND toUInt32(slice_start) IN (SELECT slice FROM maintained)
          AND (empty({apps:Array(String)}) OR app_id IN {apps:Array(String)})
          AND toUInt32(toStartOfHour(slice_start)) IN {cut_hours:Array(UInt32)}
          AND
-- shared: shared/in_maintenance
        GROUP BY app_id, environment, kind, bucket
    ),
    counted AS
    (
        SELECT
            app_id, environment, bucket, alone, is_out, place,
            if({rungs:Array(UInt8)}[place] = 0, requests, timed) AS total,
            if({rungs:Array(UInt8)}[place] = 0, errors, toUInt64(timed - within[{rungs:Array(UInt8)}[place]])) AS bad,
            strange
        FROM summed
        ARRAY JOIN multiIf(
            kind = 'server', {server:Array(UInt8)},
            kind = 'consumer', {consumer:Array(UInt8)},
            {health:Array(UInt8)}) AS place
    ),
    judged AS
    (
        SELECT
            app_id, environment, bucket, place, alone, is_out,
            sum(counted.total) AS total,
            sum(counted.bad) AS bad,
            alone > 0 AND NOT is_out AND bad * 1000000000 > total * {budgets_ppb:Array(UInt64)}[place] AS is_bad,
            sum(counted.strange) AS strange
        FROM counted
        GROUP BY app_id, environment, bucket, place, alone, is_out
    )
SELECT
    app_id,
    toString(j.environment) AS environment,
    {names:Array(String)}[place] AS objective,
    toDateTime64(toDateTime(j.bucket, 'UTC'), 0, 'UTC') AS bucket,
    toUInt64(sumIf(j.bad, alone = 0 AND NOT is_out) - sumIf(j.bad, alone = 0 AND is_out)) AS bad,
    toUInt64(sumIf(j.total, alone = 0 AND NOT is_out) - sumIf(j.total, alone = 0 AND is_out)) AS total,
    countIf(is_bad) AS bad_slices,
    if(bad_slices = 0, NULL, toDateTime64(toDateTime(minIf(alone, is_bad), 'UTC'), 0, 'UTC')) AS first_bad,
    sum(strange) AS other_ladders,
    sumIf(j.total, alone = 0 AND is_out) AS in_maintenance
FROM judged AS j
GROUP BY app_id, j.environment, j.bucket, place
HAVING total + in_maintenance > 0
