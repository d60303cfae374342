-- purpose: resources that spans and metric points of whole days name by any of some attributes, with the apps they are of
-- parameters: days Array(Date), attributes Array(String), batch_id UUID
-- columns: none
INSERT INTO core_app_resources (usage_date, app_id, attribute, resource_id, spans, points, first_seen, last_seen, batch_id)
WITH
-- shared: shared/spans_once
SELECT
    toDate(seen_at) AS usage_date,
    app,
    named.1 AS attribute_name,
    named.2 AS value,
    countIf(is_span),
    countIf(NOT is_span),
    min(seen_at),
    max(seen_at),
    {batch_id:UUID}
FROM
(
    SELECT Timestamp AS seen_at, toString(app_id) AS app, 1 AS is_span,
        arrayJoin(resource_names(ResourceAttributes, SpanAttributes, {attributes:Array(String)})) AS named
    FROM spans_once
    WHERE app_id != ''

    UNION ALL

    SELECT TimeUnix, toString(app_id), 0,
        arrayJoin(resource_names(ResourceAttributes, Attributes, {attributes:Array(String)}))
    FROM merge('{{otel}}', '^otel_metrics_(gauge|sum|summary|histogram|exponential_histogram)_current$')
    WHERE toDate(TimeUnix) IN {days:Array(Date)} AND app_id != ''
)
GROUP BY usage_date, app, attribute_name, value
