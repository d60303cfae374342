-- purpose: cloud resources named in telemetry and the apps that name them: evidence for attribution rule 2
-- parameters: none
-- columns: app_id, attribute, resource_id, spans UInt64 (with metric points), first_seen, last_seen
SELECT app_id, toString(named.attribute) AS attribute, resource_id, sum(named.spans + named.points) AS spans,
    min(named.first_seen) AS first_seen, max(named.last_seen) AS last_seen
FROM core_app_resources_current AS named
GROUP BY app_id, attribute, resource_id
ORDER BY resource_id, app_id, attribute
