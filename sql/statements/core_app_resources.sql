-- purpose: cloud resources named by the spans of whole days, with the apps that name them
-- parameters: days Array(Date), batch_id UUID
-- columns: none
INSERT INTO core_app_resources (usage_date, app_id, resource_id, spans, batch_id)
SELECT
    toDate(Timestamp) AS usage_date,
    toString(app_id) AS app,
    arrayJoin(arrayDistinct(arrayMap(name -> otlp_identity(name), [
        ResourceAttributes['cloud.resource_id'], ResourceAttributes['faas.id'],
        SpanAttributes['cloud.resource_id'], SpanAttributes['faas.id']]))) AS resource_id,
    count(),
    {batch_id:UUID}
FROM {{otel}}.otel_traces_current
WHERE toDate(Timestamp) IN {days:Array(Date)} AND app_id != ''
GROUP BY usage_date, app, resource_id
HAVING resource_id != ''
