-- purpose: what silence/hours counts, of objectives that count something else than requests: hours with events of each
-- parameters: as_of DateTime (end of the newest slice counted), since DateTime (slices from here on), parts Array(String) (app and
--   indicator with `between` in between), part_apps Array(String) (the apps they are of), between String
-- columns: app_id (the part), environment, hours Array(UInt32) (hours since 1970 with events), requests Array(UInt64) (events of
--   each of them), last_slice_end DateTime64(0)
SELECT
    part AS app_id,
    toString(counted.environment) AS environment,
    groupArray(intDiv(toUInt32(counted.hour), 3600)) AS hours,
    groupArray(toUInt64(counted.events)) AS requests,
    toDateTime64(max(counted.last_slice) + INTERVAL 5 MINUTE, 0, 'UTC') AS last_slice_end
FROM
(
    SELECT
        concat(app_id, {between:String}, toString(s.indicator)) AS part, s.environment AS environment,
        toStartOfHour(s.slice_start) AS hour, sum(s.total) AS events, max(s.slice_start) AS last_slice
    FROM core_indicator_slices_current AS s
    WHERE s.slice_start >= {since:DateTime('UTC')} AND s.slice_start < {as_of:DateTime('UTC')} AND s.total > 0
      AND s.app_id IN {part_apps:Array(String)} AND part IN {parts:Array(String)}
    GROUP BY part, environment, hour
) AS counted
GROUP BY part, counted.environment
