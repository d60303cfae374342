-- purpose: requests of the objectives of routes, as they were published last
-- parameters: none
-- columns: app_id, route, total
SELECT app_id, route, total
FROM mart_slo_states_current
WHERE route != ''
ORDER BY app_id, route
