-- purpose: events of some apps by slice of requests, for objectives by slices of time; slices without any are left out
-- parameters: as_of DateTime (end of the newest slice counted), since DateTime (slices from here on), names Array(String) (what is
--   counted), rungs Array(UInt8) (place of its threshold on the latency ladder; 0: it counts errors), bounds UInt8 (how many the
--   ladder has), server, consumer Array(UInt8) (places, from 1, of the names that count requests of that kind),
--   apps Array(String) (of these), and maintained_calendars,
--   maintained_from, maintained_to, maintained_app_calendars, maintained_environment_calendars, maintained_pair_calendars
--   Array(UInt32), maintained_apps, maintained_environments, maintained_pairs Array(String) (as shared/maintained has them, whose slices have no row)
-- columns: app_id, environment, objective, slices Array(UInt32) (seconds since 1970, ascending), bad Array(UInt64),
--   total Array(UInt64), other_ladders (rows cut by a ladder of another length: their counts mean nothing)
WITH
-- shared: shared/maintained
SELECT
    app_id, place_name AS environment, {names:Array(String)}[place] AS objective,
    groupArray(start) AS slices, groupArray(all_bad) AS bad, groupArray(events) AS total, sum(strange) AS other_ladders
FROM
(
    SELECT
        app_id, toString(environment) AS place_name, toUInt32(slice_start) AS start, place,
        sum(if({rungs:Array(UInt8)}[place] = 0, requests, timed)) AS events,
        sum(if({rungs:Array(UInt8)}[place] = 0, errors, toUInt32(timed - within[{rungs:Array(UInt8)}[place]]))) AS all_bad,
        countIf(length(within) != {bounds:UInt8}) AS strange
    FROM core_request_slices_current
    ARRAY JOIN if(kind = 'server', {server:Array(UInt8)}, {consumer:Array(UInt8)}) AS place
    WHERE app_id IN {apps:Array(String)} AND kind IN ('server', 'consumer')
      AND slice_start >= {since:DateTime('UTC')} AND slice_start < {as_of:DateTime('UTC')}
      AND NOT
-- shared: shared/in_maintenance
    GROUP BY app_id, place_name, start, place
    HAVING events > 0
    ORDER BY app_id, place_name, place, start
)
GROUP BY app_id, environment, place
ORDER BY app_id, environment, place
