-- purpose: what slo/buckets counts, of objectives that count something else than requests
-- parameters: parts Array(String) (app and indicator with `between` in between), part_apps Array(String) (the apps they are of),
--   between String, as_of, window_from, slices_from DateTime, edges Array(UInt32), names Array(String), budgets_ppb
--   Array(UInt64) as for slo/buckets, and maintained_calendars,
--   maintained_from, maintained_to, maintained_app_calendars, maintained_environment_calendars, maintained_pair_calendars
--   Array(UInt32), maintained_apps, maintained_environments, maintained_pairs Array(String) (as shared/maintained has them)
-- columns: app_id (the part), environment, objective, bucket DateTime64(0), bad, total, bad_slices, first_bad DateTime64(0),
--   other_ladders (none here), in_maintenance (events that are left out)
WITH
    arrayConcat([toUInt32(0)], {edges:Array(UInt32)}) AS boundaries,
-- shared: shared/maintained
    ,
    judged AS
    (
        SELECT
            concat(app_id, {between:String}, toString(s.indicator)) AS part,
            s.environment AS environment, s.slice_start AS slice_start, place,
            s.total AS total, s.total - s.good AS bad,
-- shared: shared/in_maintenance
            AS is_out,
            NOT is_out AND s.slice_start >= {slices_from:DateTime('UTC')} AND bad * 1000000000 > total * {budgets_ppb:Array(UInt64)}[place] AS is_bad
        FROM core_indicator_slices_current AS s
        ARRAY JOIN arrayEnumerate({names:Array(String)}) AS place
        WHERE s.slice_start >= {window_from:DateTime('UTC')} AND s.slice_start < {as_of:DateTime('UTC')}
          AND s.app_id IN {part_apps:Array(String)} AND part IN {parts:Array(String)}
    )
SELECT
    part AS app_id,
    toString(j.environment) AS environment,
    {names:Array(String)}[place] AS objective,
    toDateTime64(toDateTime(roundDown(toUInt32(slice_start), boundaries), 'UTC'), 0, 'UTC') AS bucket,
    toUInt64(sumIf(j.bad, NOT is_out)) AS bad,
    sumIf(j.total, NOT is_out) AS total,
    countIf(is_bad) AS bad_slices,
    if(bad_slices = 0, NULL, toDateTime64(minIf(slice_start, is_bad), 0, 'UTC')) AS first_bad,
    toUInt64(0) AS other_ladders,
    sumIf(j.total, is_out) AS in_maintenance
FROM judged AS j
GROUP BY part, j.environment, bucket, place
HAVING total + in_maintenance > 0
