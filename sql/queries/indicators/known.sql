-- purpose: when each app and environment was first counted, of some days, for each indicator that counts every slice from its first
--   record on, by what is published: a job that is dead longer than records are read back for is known by it
-- parameters: indicators Array(String), since, until Date (the day after the last)
-- columns: app_id, environment, indicator, first DateTime64(0)
SELECT
    app_id, toString(s.environment) AS environment, toString(s.indicator) AS indicator,
    toDateTime64(min(s.slice_start), 0, 'UTC') AS first
FROM core_indicator_slices_current AS s
WHERE s.total > 0 AND s.indicator IN {indicators:Array(String)}
  AND toDate(s.slice_start) >= {since:Date} AND toDate(s.slice_start) < {until:Date}
GROUP BY app_id, s.environment, s.indicator
