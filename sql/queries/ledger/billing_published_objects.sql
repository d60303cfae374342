-- purpose: the objects whose rows are the current release of each month of a billing source
-- parameters: source_name String
-- columns: period, object_name, object_sha256
SELECT DISTINCT line.period AS period, line.object_name AS object_name, line.object_sha256 AS object_sha256
FROM raw_deliveries AS line
WHERE line.kind = 'billing' AND line.source_name = {source_name:String} AND line.state = 'loaded'
    AND (line.period, line.batch_id) IN
    (
        SELECT period, batch_id FROM current_batches
        WHERE scope = concat('billing/', {source_name:String}) AND table_name = 'raw_focus_costs'
    )
ORDER BY period, object_name
