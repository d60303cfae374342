-- purpose: the availability each app is held to now: in production where it has an objective there, the strictest of several;
--   objectives of one route speak for no app
-- parameters: none
-- columns: app_id, target Decimal(38, 18)
SELECT app_id, argMax(o.target, (ifNull(s.is_production, false), o.target)) AS target
FROM mart_slo_objectives_current AS o
LEFT JOIN
(
    SELECT app_id, toString(environment) AS place, toString(objective) AS name, is_production FROM mart_slo_states_current
) AS s ON s.app_id = o.app_id AND s.place = toString(o.environment) AND s.name = toString(o.objective)
WHERE o.indicator = 'availability' AND isNull(o.valid_to) AND o.route = ''
GROUP BY app_id
ORDER BY app_id
