-- purpose: batches that a reader sees rows of, or may once a person has decided
-- parameters: none
-- columns: batch_id String
SELECT toString(batch_id) AS batch_id FROM current_batches
UNION DISTINCT
SELECT toString(batch_id) AS batch_id FROM {{otel}}.loaded_batches
UNION DISTINCT
SELECT toString(argMax(line.batch_id, line.recorded_at)) AS batch_id
FROM raw_held_deliveries AS line
GROUP BY line.source_name, line.period
HAVING argMax(line.state, line.recorded_at) IN ('held', 'accepted')
