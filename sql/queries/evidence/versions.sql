-- purpose: versions of an app that answered requests, each by its first five minutes in the range
-- parameters: teams Array(String), app_id String, known_from (versions from then on), range_to DateTime64(9), environments
--   Array(String) (empty: all)
-- columns: at DateTime64(3) (start of the first five minutes; one seen from the first slice on was there before), what (version),
--   version, environment, words (empty), was_there_before (nothing older was read)
SELECT
    toDateTime64(v.began, 3, 'UTC') AS at, 'version' AS what, of_version AS version, of_environment AS environment, '' AS words,
    v.began = v.oldest AS was_there_before
FROM
(
    SELECT
        min(slice_start) AS began, toString(s.version) AS of_version, toString(s.environment) AS of_environment,
        min(began) OVER (PARTITION BY of_environment) AS oldest
    FROM core_request_slices_current AS s
    WHERE app_id = {app_id:String}
      AND {app_id:String} IN (SELECT app_id FROM mart_app_inventory_current WHERE team IN {teams:Array(String)} AND app_id = {app_id:String})
      AND slice_start >= {known_from:DateTime64(9, 'UTC')} AND slice_start < {range_to:DateTime64(9, 'UTC')}
      AND s.version != ''
      AND (empty({environments:Array(String)}) OR s.environment IN {environments:Array(String)})
    GROUP BY of_version, of_environment
) AS v
ORDER BY at, version, environment
