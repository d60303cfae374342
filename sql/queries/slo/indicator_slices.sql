-- purpose: what slo/slices counts, of objectives that count something else than requests
-- parameters: parts Array(String) (app and indicator with `between` in between), part_apps Array(String) (the apps they are of),
--   between String, as_of DateTime (end of the newest slice counted), since DateTime (slices from here on), and
--   maintained_calendars,
--   maintained_from, maintained_to, maintained_app_calendars, maintained_environment_calendars, maintained_pair_calendars
--   Array(UInt32), maintained_apps, maintained_environments, maintained_pairs Array(String) (as shared/maintained has them, whose slices have no row)
-- columns: app_id (the part), environment, slices Array(UInt32) (seconds since 1970, ascending), bad Array(UInt64),
--   total Array(UInt64)
WITH
-- shared: shared/maintained
SELECT
    part AS app_id, place_name AS environment, groupArray(start) AS slices, groupArray(all_bad) AS bad, groupArray(events) AS total
FROM
(
    SELECT
        concat(app_id, {between:String}, toString(s.indicator)) AS part, toString(s.environment) AS place_name,
        toUInt32(s.slice_start) AS start, sum(s.total) AS events, toUInt64(sum(s.total - s.good)) AS all_bad
    FROM core_indicator_slices_current AS s
    WHERE s.app_id IN {part_apps:Array(String)} AND part IN {parts:Array(String)}
      AND s.slice_start >= {since:DateTime('UTC')} AND s.slice_start < {as_of:DateTime('UTC')}
      AND NOT
-- shared: shared/in_maintenance
    GROUP BY part, place_name, start
    HAVING events > 0
    ORDER BY part, place_name, start
)
GROUP BY app_id, environment
ORDER BY app_id, environment
