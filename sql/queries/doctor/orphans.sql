-- purpose: rows of batches that neither a release nor the ledger names: of attempts that did not end
-- parameters: none
-- columns: table_name, batches, rows
SELECT table_name, count() AS batches, sum(part.rows) AS rows
FROM
(
    SELECT 'raw_focus_costs' AS table_name, x_BatchId AS batch_id, count() AS rows
    FROM raw_focus_costs
    GROUP BY batch_id
    UNION ALL
    SELECT toString(_table), x_BatchId, count()
    FROM merge('{{otel}}', '^otel_(traces|logs|metrics_(gauge|sum|summary|histogram|exponential_histogram))$')
    GROUP BY _table, x_BatchId
) AS part
WHERE batch_id NOT IN (SELECT batch_id FROM {{otel}}.loaded_batches)
    AND batch_id NOT IN (SELECT batches['raw_focus_costs'] FROM period_head WHERE mapContains(batches, 'raw_focus_costs'))
    AND batch_id NOT IN (SELECT batch_id FROM raw_held_deliveries)
GROUP BY table_name
ORDER BY table_name
