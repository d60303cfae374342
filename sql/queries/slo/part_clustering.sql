-- purpose: what slo/clustering tells, of parts of apps: how their bad events spread over the hours of the past
-- parameters: parts, part_apps Array(String), between String as for slo/part_buckets; since, until DateTime, names Array(String),
--   rungs Array(UInt8), budgets_ppb Array(UInt64), bounds UInt8, server, consumer Array(UInt8), cap, sigmas Float64 as for
--   slo/clustering, and maintained_calendars,
--   maintained_from, maintained_to, maintained_app_calendars, maintained_environment_calendars, maintained_pair_calendars
--   Array(UInt32), maintained_apps, maintained_environments, maintained_pairs Array(String) (as shared/maintained has them)
-- columns: app_id (the part), environment, objective, bad UInt64, total UInt64, bad_bad Float64, bad_total Float64, total_total Float64
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
        part, environment, toStartOfHour(slice_start) AS hour, place,
        sum(toUInt64(if({rungs:Array(UInt8)}[place] = 0, requests, timed))) AS total,
        sum(if({rungs:Array(UInt8)}[place] = 0, toUInt64(errors), toUInt64(timed - within[{rungs:Array(UInt8)}[place]]))) AS bad,
        total * {budgets_ppb:Array(UInt64)}[place] / 1000000000 AS at_budget
    FROM core_request_slices_current
    ARRAY JOIN arrayFilter(
        one -> has({parts:Array(String)}, one) AND NOT (is_cold_start AND endsWith(one, concat({between:String}, '1'))),
        arrayDistinct(arrayConcat(
            arrayMap(
                cold -> concat(app_id, {between:String}, toString(route), {between:String}, cold), ['0', '1']),
            arrayMap(
                cold -> concat(
                    app_id, {between:String}, replaceRegexpOne(toString(route), '^[A-Z]+ ', ''), {between:String}, cold),
                ['0', '1']),
            arrayMap(cold -> concat(app_id, {between:String}, {between:String}, cold), ['0', '1'])))) AS part
    ARRAY JOIN if(kind = 'server', {server:Array(UInt8)}, {consumer:Array(UInt8)}) AS place
    WHERE slice_start >= {since:DateTime('UTC')} AND slice_start < {until:DateTime('UTC')} AND kind IN ('server', 'consumer')
      AND app_id IN {part_apps:Array(String)} AND length(within) = {bounds:UInt8}
      AND NOT
-- shared: shared/in_maintenance
    GROUP BY part, environment, hour, place
) AS hours
WHERE hours.bad <= greatest(at_budget + {sigmas:Float64} * sqrt({cap:Float64} * at_budget), 2 * {cap:Float64})
GROUP BY part, hours.environment, place
