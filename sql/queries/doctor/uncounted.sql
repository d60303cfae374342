-- purpose: what objectives ask to count of the newest days and could not be counted, the most first
-- parameters: days UInt16
-- columns: app_id, indicator, set_aside, total
WITH (SELECT max(period) FROM current_batches WHERE table_name = 'core_indicator_slices') - {days:UInt16} AS since
SELECT app_id, toString(s.indicator) AS indicator, sum(s.set_aside) AS set_aside, sum(s.total) AS total
FROM core_indicator_slices_current AS s
WHERE toDate(s.slice_start) > since
GROUP BY app_id, s.indicator
HAVING set_aside > 0
ORDER BY set_aside DESC, app_id, indicator
