-- purpose: published months that their newest manifest calls final, where all that is published of them is what it lists
-- parameters: none
-- columns: source_name, billing_period, reason
WITH
    said AS
(
    SELECT
        toString(line.source_name) AS source_name, line.period AS billing_period,
        argMax(toString(line.state), line.recorded_at) AS newest_state,
        argMax(line.reason, line.recorded_at) AS reason,
        argMax(line.object_names, line.recorded_at) AS listed
    FROM raw_manifest_states AS line
    GROUP BY source_name, billing_period
    HAVING newest_state = 'final'
),
    published AS
(
    SELECT toString(source_name) AS source_name, period AS billing_period, groupUniqArray(object_name) AS object_names
    FROM raw_deliveries
    WHERE kind = 'billing' AND state = 'loaded'
        AND (concat('billing/', toString(source_name)), period, batch_id) IN
            (SELECT toString(scope), period, batch_id FROM current_batches WHERE table_name = 'raw_focus_costs')
    GROUP BY source_name, billing_period
)
SELECT said.source_name AS source_name, said.billing_period AS billing_period, said.reason AS reason
FROM said
INNER JOIN published ON published.source_name = said.source_name AND published.billing_period = said.billing_period
WHERE hasAll(said.listed, published.object_names)
ORDER BY source_name, billing_period
