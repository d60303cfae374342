-- purpose: months of a billing source that hold rows of batches other than those of their last two releases and of a delivery
--   that waits for a person, or was accepted and not published yet; what a closed statement was made of stays
-- parameters: source_name String, periods Array(Date)
-- columns: period, batch_id String
SELECT DISTINCT x_BillingPeriod AS period, toString(x_BatchId) AS batch_id
FROM raw_focus_costs
WHERE x_SourceName = {source_name:String} AND has({periods:Array(Date)}, x_BillingPeriod)
    AND (x_BillingPeriod, x_BatchId) NOT IN
    (
        SELECT period, batches['raw_focus_costs']
        FROM period_head
        WHERE scope = concat('billing/', {source_name:String})
        ORDER BY fence DESC, seq DESC
        LIMIT 2 BY period
    )
    AND (x_BillingPeriod, x_BatchId) NOT IN
    (
        SELECT period, argMax(line.batch_id, line.recorded_at)
        FROM raw_held_deliveries AS line
        WHERE line.source_name = {source_name:String}
        GROUP BY period
        HAVING argMax(line.state, line.recorded_at) IN ('held', 'accepted')
    )
    AND x_BatchId NOT IN (SELECT arrayJoin(mapValues(batches)) FROM statement_closings)
    AND x_BatchId NOT IN (SELECT arrayJoin(mapValues(batches)) FROM statement_reclassifications)
ORDER BY period, batch_id
