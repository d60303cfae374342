-- purpose: rows of one batch in otel.otel_metrics_gauge
-- parameters: batch_id UUID; first_day, last_day Date
-- columns: rows
SELECT count() AS rows
FROM {{otel}}.otel_metrics_gauge
WHERE x_BatchId = {batch_id:UUID} AND toDate(TimeUnix) BETWEEN {first_day:Date} AND {last_day:Date}
