-- purpose: of some apps, environments whose requests lately were not counted from whole spans: from metrics, or from a sample
-- parameters: apps Array(String), since DateTime
-- columns: app_id, environment
SELECT DISTINCT app_id, toString(s.environment) AS environment
FROM core_request_slices_current AS s
WHERE slice_start >= {since:DateTime('UTC')} AND app_id IN {apps:Array(String)} AND counted_from NOT IN ('spans', '')
ORDER BY app_id, environment
