    -- What otel_traces_current has of whole days. The view ranks every row, which is most of what a read of it costs; a copy has
    -- the time and the id of its span, so only rows that share both with another are ranked here, by the view's own rule.
    span_shared AS
    (
        SELECT Timestamp, SpanId
        FROM {{otel}}.otel_traces
        WHERE toDate(Timestamp) IN {days:Array(Date)} AND x_BatchId IN (SELECT batch_id FROM {{otel}}.loaded_batches)
        GROUP BY Timestamp, SpanId
        HAVING count() > 1
    ),
    spans_once AS
    (
        SELECT *, app_id, environment
        FROM {{otel}}.otel_traces
        WHERE toDate(Timestamp) IN {days:Array(Date)} AND x_BatchId IN (SELECT batch_id FROM {{otel}}.loaded_batches)
            AND (Timestamp, SpanId) NOT IN span_shared
        UNION ALL
        SELECT * EXCEPT (x_Copy)
        FROM
        (
            SELECT
                *, app_id, environment,
                row_number() OVER (
                    PARTITION BY app_id, Timestamp, TraceId, SpanId, SpanKind, ServiceName
                    ORDER BY has_end DESC, Duration, StatusCode, x_BatchId) AS x_Copy
            FROM {{otel}}.otel_traces
            WHERE toDate(Timestamp) IN {days:Array(Date)} AND x_BatchId IN (SELECT batch_id FROM {{otel}}.loaded_batches)
                AND (Timestamp, SpanId) IN span_shared
        )
        WHERE x_Copy = 1
    )
