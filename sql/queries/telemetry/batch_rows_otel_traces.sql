-- purpose: rows of one batch in otel.otel_traces
-- parameters: batch_id UUID; first_day, last_day Date
-- columns: rows
SELECT count() AS rows
FROM {{otel}}.otel_traces
WHERE x_BatchId = {batch_id:UUID} AND toDate(Timestamp) BETWEEN {first_day:Date} AND {last_day:Date}
