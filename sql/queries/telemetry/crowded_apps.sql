-- purpose: days on which some apps have as many named routes as are kept, so that others of theirs are pooled or were
-- parameters: apps Array(String), routes_kept UInt64, batch_id UUID (of slices; zero: those that are current)
-- columns: day, app_id
SELECT toDate(slice_start) AS day, app_id
FROM core_request_slices
WHERE app_id IN {apps:Array(String)}
  AND (batch_id = {batch_id:UUID}
    OR ({batch_id:UUID} = toUUID('00000000-0000-0000-0000-000000000000') AND (toDate(slice_start), batch_id) IN
        (SELECT period, batch_id FROM current_batches WHERE table_name = 'core_request_slices')))
GROUP BY day, app_id
HAVING uniqExactIf(route, route != '') >= {routes_kept:UInt64}
ORDER BY day, app_id
