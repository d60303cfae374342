-- purpose: what slo/buckets counts, of parts of apps: one route, or every request without cold starts
-- parameters: parts Array(String) (app, route or empty, and 1 where cold starts do not count, with `between` in between),
--   part_apps Array(String) (the apps they are of), between String, as_of, window_from, slices_from DateTime, edges
--   Array(UInt32), names Array(String), rungs Array(UInt8), budgets_ppb Array(UInt64), bounds UInt8, server, consumer
--   Array(UInt8) as for slo/buckets, and maintained_calendars,
--   maintained_from, maintained_to, maintained_app_calendars, maintained_environment_calendars, maintained_pair_calendars
--   Array(UInt32), maintained_apps, maintained_environments, maintained_pairs Array(String) (as shared/maintained has them)
-- columns: app_id (the part), environment, objective, bucket DateTime64(0), bad, total, bad_slices, first_bad DateTime64(0),
--   other_ladders, kept_out (cold starts of the kinds the objective counts that did not count),
--   in_maintenance (events that are left out)
-- A part may name its route without the method, and then has the requests of each. Slices are read, as hours know no routes:
-- those of the named apps alone.
WITH
    arrayConcat([toUInt32(0)], {edges:Array(UInt32)}) AS boundaries,
-- shared: shared/maintained
    ,
    sliced AS
    (
        SELECT
            part,
            environment, kind, slice_start,
            is_cold_start AND endsWith(part, concat({between:String}, '1')) AS is_kept_out,
-- shared: shared/in_maintenance
            AS is_out,
            sum(s.requests) AS requests, sum(s.errors) AS errors, sum(s.timed) AS timed, sumForEach(s.within) AS within,
            countIf(length(s.within) != {bounds:UInt8}) AS strange
        FROM core_request_slices_current AS s
        ARRAY JOIN arrayFilter(
            one -> has({parts:Array(String)}, one),
            arrayDistinct(arrayConcat(
                arrayMap(
                    cold -> concat(app_id, {between:String}, toString(route), {between:String}, cold), ['0', '1']),
                arrayMap(
                    cold -> concat(
                        app_id, {between:String}, replaceRegexpOne(toString(route), '^[A-Z]+ ', ''), {between:String}, cold),
                    ['0', '1']),
                arrayMap(cold -> concat(app_id, {between:String}, {between:String}, cold), ['0', '1'])))) AS part
        WHERE slice_start >= {window_from:DateTime('UTC')} AND slice_start < {as_of:DateTime('UTC')}
          AND app_id IN {part_apps:Array(String)} AND kind IN ('server', 'consumer')
        GROUP BY part, environment, kind, slice_start, is_kept_out, is_out
    ),
    judged AS
    (
        SELECT
            part, environment, slice_start, place,
            sumIf(if({rungs:Array(UInt8)}[place] = 0, requests, timed), NOT is_kept_out AND NOT is_out) AS total,
            sumIf(
                if({rungs:Array(UInt8)}[place] = 0, errors, toUInt64(timed - within[{rungs:Array(UInt8)}[place]])),
                NOT is_kept_out AND NOT is_out) AS bad,
            sumIf(if({rungs:Array(UInt8)}[place] = 0, requests, timed), is_kept_out AND NOT is_out) AS kept_out,
            sumIf(if({rungs:Array(UInt8)}[place] = 0, requests, timed), is_out AND NOT is_kept_out) AS left_out,
            slice_start >= {slices_from:DateTime('UTC')} AND bad * 1000000000 > total * {budgets_ppb:Array(UInt64)}[place] AS is_bad,
            sum(sliced.strange) AS strange
        FROM sliced
        ARRAY JOIN if(kind = 'server', {server:Array(UInt8)}, {consumer:Array(UInt8)}) AS place
        GROUP BY part, environment, slice_start, place
    )
SELECT
    part AS app_id,
    toString(j.environment) AS environment,
    {names:Array(String)}[place] AS objective,
    toDateTime64(toDateTime(roundDown(toUInt32(slice_start), boundaries), 'UTC'), 0, 'UTC') AS bucket,
    sum(j.bad) AS bad,
    sum(j.total) AS total,
    countIf(is_bad) AS bad_slices,
    if(bad_slices = 0, NULL, toDateTime64(minIf(slice_start, is_bad), 0, 'UTC')) AS first_bad,
    sum(strange) AS other_ladders,
    sum(j.kept_out) AS kept_out,
    sum(j.left_out) AS in_maintenance
FROM judged AS j
GROUP BY part, j.environment, bucket, place
HAVING total + kept_out + in_maintenance > 0
