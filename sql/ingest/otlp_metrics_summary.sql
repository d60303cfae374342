-- purpose: OTLP summaries of one object into otel.otel_metrics_summary, JSON or Protobuf alike. Attributes become text in the
--   innermost query, before anything is unfolded: carrying their nested type on costs the planner time
-- parameters: path String, format String (engine's name), structure String, encoding String (json or protobuf),
--   batch_id UUID, first_day, last_day Date (no row of another day is written, as none is counted after),
--   time_from, time_to UInt64 (nanoseconds, range of accepted times), received_to UInt64 (later than receipt from here)
--   hidden_keys, hidden_key_marks, hidden_shapes, hidden_shape_marks Array(String), hidden_cards, hidden_card_mark String
--   (what is hidden before it is stored: models/redaction.py)
--   kept_apps, kept_tiers Array(String), kept_app_days, kept_tier_days Array(UInt16), kept_usual UInt16 (how long a row is kept:
--   models/retention.py)
-- columns: none
INSERT INTO {{otel}}.otel_metrics_summary
    (ResourceAttributes, ResourceSchemaUrl, ScopeName, ScopeVersion, ScopeAttributes,
     ScopeDroppedAttrCount, ScopeSchemaUrl, ServiceName, MetricName, MetricDescription, MetricUnit,
     Attributes, StartTimeUnix, TimeUnix, Count, Sum, `ValueAtQuantiles.Quantile`,
     `ValueAtQuantiles.Value`, Flags, x_BatchId, retention_days)
WITH
    {encoding:String} = 'json' AS json,
    ({hidden_keys:Array(String)}, {hidden_key_marks:Array(String)}, {hidden_shapes:Array(String)},
        {hidden_shape_marks:Array(String)}, {hidden_cards:String}, {hidden_card_mark:String}) AS hide,
    ({kept_apps:Array(String)}, {kept_app_days:Array(UInt16)}, {kept_tiers:Array(String)}, {kept_tier_days:Array(UInt16)},
        {kept_usual:UInt16}) AS kept
SELECT
    resource,
    otlp_sound(resource_schema, json),
    otlp_sound(scope_name, json),
    otlp_sound(scope_version, json),
    scope_attributes,
    scope_dropped,
    otlp_sound(scope_schema, json),
    resource['service.name'],
    otlp_sound(metric_name, json),
    otlp_sound(metric_description, json),
    otlp_sound(metric_unit, json),
    attributes,
    otlp_time(started),
    otlp_time(moment),
    point_count,
    point_sum,
    quantiles,
    quantile_values,
    flags,
    {batch_id:UUID},
    otlp_retention(otlp_app(resource, attributes, resource['service.name']), resource['service.criticality'], kept)
FROM
(
    SELECT * FROM
    (
        SELECT * FROM
        (
            SELECT * FROM
            (
                SELECT
                    otlp_maps_1(resourceMetrics.resource.attributes, json, hide) AS resource,
                    resourceMetrics.schemaUrl AS resource_schema,
                    resourceMetrics.scopeMetrics.scope.name AS scope_name,
                    resourceMetrics.scopeMetrics.scope.version AS scope_version,
                    otlp_maps_2(resourceMetrics.scopeMetrics.scope.attributes, json, hide) AS scope_attributes,
                    resourceMetrics.scopeMetrics.scope.droppedAttributesCount AS scope_dropped,
                    resourceMetrics.scopeMetrics.schemaUrl AS scope_schema,
                    resourceMetrics.scopeMetrics.metrics.name AS metric_name,
                    resourceMetrics.scopeMetrics.metrics.description AS metric_description,
                    resourceMetrics.scopeMetrics.metrics.unit AS metric_unit,
                    otlp_maps_4(resourceMetrics.scopeMetrics.metrics.summary.dataPoints.attributes, json, hide) AS attributes,
                    resourceMetrics.scopeMetrics.metrics.summary.dataPoints.startTimeUnixNano AS started,
                    resourceMetrics.scopeMetrics.metrics.summary.dataPoints.timeUnixNano AS moment,
                    resourceMetrics.scopeMetrics.metrics.summary.dataPoints.flags AS flags,
                    resourceMetrics.scopeMetrics.metrics.summary.dataPoints.count AS point_count,
                    resourceMetrics.scopeMetrics.metrics.summary.dataPoints.sum AS point_sum,
                    resourceMetrics.scopeMetrics.metrics.summary.dataPoints.quantileValues.quantile AS quantiles,
                    resourceMetrics.scopeMetrics.metrics.summary.dataPoints.quantileValues.value AS quantile_values
                FROM file({path:String}, {format:String}, {structure:String})
            )
            ARRAY JOIN
                resource, resource_schema, scope_name, scope_version, scope_attributes, scope_dropped,
                scope_schema, metric_name, metric_description, metric_unit, attributes, started, moment, flags,
                point_count, point_sum, quantiles, quantile_values
        )
        ARRAY JOIN
            scope_name, scope_version, scope_attributes, scope_dropped, scope_schema, metric_name,
            metric_description, metric_unit, attributes, started, moment, flags, point_count, point_sum,
            quantiles, quantile_values
    )
    ARRAY JOIN
        metric_name, metric_description, metric_unit, attributes, started, moment, flags, point_count,
        point_sum, quantiles, quantile_values
)
ARRAY JOIN
    attributes, started, moment, flags, point_count, point_sum, quantiles, quantile_values
WHERE otlp_point_fault(moment, started, [], {time_from:UInt64}, {time_to:UInt64}, {received_to:UInt64}) = ''
    AND toDate(otlp_time(moment)) BETWEEN {first_day:Date} AND {last_day:Date}
