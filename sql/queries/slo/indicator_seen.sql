-- purpose: environments in which something was counted for what apps are held to beside requests
-- parameters: as_of DateTime (end of the newest slice counted), since DateTime (slices from here on)
-- columns: app_id, environment, indicator
SELECT DISTINCT app_id, toString(s.environment) AS environment, toString(s.indicator) AS indicator
FROM core_indicator_slices_current AS s
WHERE slice_start >= {since:DateTime('UTC')} AND slice_start < {as_of:DateTime('UTC')} AND total > 0
