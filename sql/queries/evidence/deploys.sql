-- purpose: what was deployed of an app: versions by their first request in the days before, and deployment events in its logs
-- parameters: teams Array(String), app_id String, known_from (versions from then on), events_from (events from then on), range_to
--   DateTime64(9), environments Array(String) (empty: all)
-- columns: at DateTime64(3) (a version's is the start of its first five minutes; one seen from the first slice on was there before),
--   what (version or event), version, environment, words (of an event), was_there_before (nothing older was read)
WITH
own AS
(
    SELECT app_id FROM mart_app_inventory_current WHERE team IN {teams:Array(String)} AND app_id = {app_id:String}
),
versions AS
(
    SELECT
        min(slice_start) AS began, toString(version) AS of_version, toString(s.environment) AS of_environment,
        min(began) OVER (PARTITION BY of_environment) AS oldest
    FROM core_request_slices_current AS s
    WHERE app_id = {app_id:String} AND {app_id:String} IN (SELECT app_id FROM own)
      AND slice_start >= {known_from:DateTime64(9, 'UTC')} AND slice_start < {range_to:DateTime64(9, 'UTC')}
      AND version != ''
      AND (empty({environments:Array(String)}) OR s.environment IN {environments:Array(String)})
    GROUP BY of_version, of_environment
),
events AS
(
    SELECT
        Timestamp, if(LogAttributes['service.version'] != '', LogAttributes['service.version'], ResourceAttributes['service.version']) AS of_version,
        toString(environment) AS of_environment,
        leftUTF8(trimBoth(concat(
            if(EventName != '', EventName, LogAttributes['event.name']), ' ', LogAttributes['deployment.name'], ' ',
            LogAttributes['deployment.status'], ' ', Body)), 300) AS said
    FROM {{otel}}.otel_logs_current
    WHERE app_id = {app_id:String} AND {app_id:String} IN (SELECT app_id FROM own)
      AND Timestamp >= {events_from:DateTime64(9, 'UTC')} AND Timestamp < {range_to:DateTime64(9, 'UTC')}
      AND (startsWith(EventName, 'deployment') OR startsWith(LogAttributes['event.name'], 'deployment')
        OR LogAttributes['deployment.id'] != '' OR LogAttributes['deployment.status'] != '')
      AND (empty({environments:Array(String)}) OR toString(environment) IN {environments:Array(String)})
)
SELECT at, what, version, environment, words, was_there_before
FROM
(
    SELECT
        toDateTime64(began, 3, 'UTC') AS at, 'version' AS what, of_version AS version, of_environment AS environment, '' AS words,
        began = oldest AS was_there_before
    FROM versions
    UNION ALL
    SELECT toDateTime64(Timestamp, 3, 'UTC'), 'event', of_version, of_environment, said, false
    FROM events
)
ORDER BY at, what, version, environment, words
