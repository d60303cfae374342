-- purpose: cloud resources named in telemetry and the apps that name them: evidence for attribution rule 2
-- parameters: none
-- columns: app_id, resource_id, spans
SELECT app_id, resource_id, sum(named.spans) AS spans
FROM core_app_resources_current AS named
GROUP BY app_id, resource_id
ORDER BY resource_id, app_id
