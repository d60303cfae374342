-- purpose: how many requests of an app in a range are a sample of those there were, and what all of them stand for
-- parameters: teams Array(String), app_id String, range_from, range_to DateTime64(9), environments Array(String) (empty: all)
-- columns: sampled, is_untold (no sample, or a sampler does not say), stands_for, errors_stand_for Float64 (null then)
SELECT
    sumIf(s.requests, counted_from = 'sampled_spans') AS sampled,
    sampled = 0 OR countIf(isNull(s.stands_for) AND counted_from = 'sampled_spans') > 0 AS is_untold,
    if(is_untold, NULL, toFloat64(sum(ifNull(s.stands_for, toDecimal128(s.requests, 9))))) AS stands_for,
    if(is_untold, NULL, toFloat64(sum(ifNull(s.errors_stand_for, toDecimal128(s.errors, 9))))) AS errors_stand_for
FROM core_request_slices_current AS s
WHERE app_id = {app_id:String}
  AND app_id IN (SELECT app_id FROM mart_app_inventory_current WHERE app_id = {app_id:String} AND team IN {teams:Array(String)})
  AND slice_start >= toStartOfFiveMinutes({range_from:DateTime64(9, 'UTC')}) AND slice_start < {range_to:DateTime64(9, 'UTC')}
  AND kind != 'health'
  AND (empty({environments:Array(String)}) OR s.environment IN {environments:Array(String)})
HAVING sampled > 0
