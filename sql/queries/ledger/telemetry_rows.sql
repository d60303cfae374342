-- purpose: rows that are kept of a table of telemetry; copies of a span, which readers see once, are among them
-- parameters: table_name Identifier
-- columns: rows
SELECT count() AS rows
FROM {{otel}}.{table_name:Identifier}
WHERE x_BatchId IN (SELECT batch_id FROM {{otel}}.loaded_batches)
