-- purpose: what objects hold, counted apart from their load: metric points per file, table, day and fault
-- parameters: path, format, structure, encoding String; time_from, time_to, received_to UInt64
-- columns: file_name, table_name, day, fault (empty: it counts), records
SELECT
    file_name,
    table_name,
    if(fault = '', toDate(otlp_time(moment)), toDate(0)) AS day,
    fault,
    count() AS records
FROM
(
    SELECT
        file_name,
        point.1 AS table_name,
        point.2 AS moment,
        otlp_point_fault(point.2, point.3, point.4, {time_from:UInt64}, {time_to:UInt64}, {received_to:UInt64}) AS fault
    FROM
    (
        SELECT
                file_name,
                metric.name AS metric_name,
                arrayJoin(arrayConcat(
                    arrayMap(p -> ('otel_metrics_gauge', p.timeUnixNano, p.startTimeUnixNano, p.exemplars.timeUnixNano), metric.gauge.dataPoints),
                    arrayMap(p -> ('otel_metrics_sum', p.timeUnixNano, p.startTimeUnixNano, p.exemplars.timeUnixNano), metric.sum.dataPoints),
                    arrayMap(p -> ('otel_metrics_histogram', p.timeUnixNano, p.startTimeUnixNano, p.exemplars.timeUnixNano), metric.histogram.dataPoints),
                    arrayMap(p -> ('otel_metrics_exponential_histogram', p.timeUnixNano, p.startTimeUnixNano, p.exemplars.timeUnixNano), metric.exponentialHistogram.dataPoints),
                    arrayMap(p -> ('otel_metrics_summary', p.timeUnixNano, p.startTimeUnixNano, CAST([], 'Array(UInt64)')), metric.summary.dataPoints))) AS point
        FROM
        (
                SELECT toString(_file) AS file_name, arrayJoin(arrayFlatten(resourceMetrics.scopeMetrics.metrics)) AS metric
                FROM file({path:String}, {format:String}, {structure:String})
        )
    )
)
GROUP BY file_name, table_name, day, fault
ORDER BY file_name, table_name, day, fault
