-- purpose: deployment events of an app in its logs (OTel semantic conventions for deployments)
-- parameters: teams Array(String), app_id String, events_from, range_to DateTime64(9), environments Array(String) (empty: all)
-- columns: at DateTime64(3), what (event), version, environment, words (its name, deployment, status and text), was_there_before (0)
-- An empty range must not be asked for: the engine then leaves out no part of the logs.
SELECT
    toDateTime64(l.Timestamp, 3, 'UTC') AS at, 'event' AS what,
    if(LogAttributes['service.version'] != '', LogAttributes['service.version'], ResourceAttributes['service.version']) AS version,
    toString(l.environment) AS environment,
    leftUTF8(trimBoth(concat(
        if(EventName != '', EventName, LogAttributes['event.name']), ' ', LogAttributes['deployment.name'], ' ',
        LogAttributes['deployment.status'], ' ', Body)), 300) AS words,
    toUInt8(0) AS was_there_before
FROM {{otel}}.otel_logs_current AS l
WHERE app_id = {app_id:String}
  AND {app_id:String} IN (SELECT app_id FROM mart_app_inventory_current WHERE team IN {teams:Array(String)} AND app_id = {app_id:String})
  AND Timestamp >= {events_from:DateTime64(9, 'UTC')} AND Timestamp < {range_to:DateTime64(9, 'UTC')}
  AND (startsWith(EventName, 'deployment') OR startsWith(LogAttributes['event.name'], 'deployment')
    OR LogAttributes['deployment.id'] != '' OR LogAttributes['deployment.status'] != '')
  AND (empty({environments:Array(String)}) OR toString(l.environment) IN {environments:Array(String)})
ORDER BY at, version, environment, words
