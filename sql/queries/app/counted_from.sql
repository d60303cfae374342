-- purpose: by what the requests of one app were counted in some days, beside whole spans
-- parameters: teams Array(String), app_id String, first_day Date, last_day Date
-- columns: environment, counted_from (metrics or sampled_spans), requests, last_day Date (with any)
SELECT
    toString(s.environment) AS environment,
    toString(s.counted_from) AS counted_from,
    sum(s.requests) AS requests,
    max(toDate(s.slice_start)) AS last_day
FROM core_request_slices_current AS s
WHERE app_id = {app_id:String} AND counted_from != 'spans'
  AND app_id IN (SELECT app_id FROM mart_app_inventory_current WHERE app_id = {app_id:String} AND team IN {teams:Array(String)})
  AND slice_start >= toDateTime({first_day:Date}, 'UTC') AND slice_start < toDateTime({last_day:Date} + 1, 'UTC')
GROUP BY environment, counted_from
ORDER BY environment, counted_from
