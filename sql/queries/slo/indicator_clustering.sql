-- purpose: what slo/clustering sums up, of objectives that count something else than requests
-- parameters: parts Array(String) (app and indicator with `between` in between), part_apps Array(String) (the apps they are of),
--   between String, since, until DateTime, names Array(String), budgets_ppb Array(UInt64), cap, sigmas Float64 as for
--   slo/clustering, and maintained_calendars,
--   maintained_from, maintained_to, maintained_app_calendars, maintained_environment_calendars, maintained_pair_calendars
--   Array(UInt32), maintained_apps, maintained_environments, maintained_pairs Array(String) (as shared/maintained has them)
-- columns: app_id (the part), environment, objective, bad UInt64, total UInt64, bad_bad Float64, bad_total Float64,
--   total_total Float64
WITH
-- shared: shared/maintained
SELECT
    part AS app_id,
    toString(hours.environment) AS environment,
    {names:Array(String)}[place] AS objective,
    sum(hours.bad) AS bad,
    sum(hours.total) AS total,
    sum(toFloat64(hours.bad) * hours.bad) AS bad_bad,
    sum(toFloat64(hours.bad) * hours.total) AS bad_total,
    sum(toFloat64(hours.total) * hours.total) AS total_total
FROM
(
    SELECT
        concat(app_id, {between:String}, toString(s.indicator)) AS part, s.environment AS environment,
        toStartOfHour(s.slice_start) AS hour, place,
        sum(s.total) AS total, toUInt64(sum(s.total - s.good)) AS bad,
        total * {budgets_ppb:Array(UInt64)}[place] / 1000000000 AS at_budget
    FROM core_indicator_slices_current AS s
    ARRAY JOIN arrayEnumerate({names:Array(String)}) AS place
    WHERE s.slice_start >= {since:DateTime('UTC')} AND s.slice_start < {until:DateTime('UTC')}
      AND s.app_id IN {part_apps:Array(String)} AND part IN {parts:Array(String)}
      AND NOT
-- shared: shared/in_maintenance
    GROUP BY part, environment, hour, place
) AS hours
WHERE hours.bad <= greatest(at_budget + {sigmas:Float64} * sqrt({cap:Float64} * at_budget), 2 * {cap:Float64})
GROUP BY part, hours.environment, place
