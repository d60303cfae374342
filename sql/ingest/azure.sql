-- purpose: the rows of spooled exports of Azure's costs of one shape that belong to the months of an attempt, into
--   raw_focus_costs
-- parameters: periods Array(Date), the parameters of ingest/focus_rows and of ingest/azure_rows
-- columns: none
-- shared: ingest/focus_rows
FROM
(
    -- shared: ingest/azure_rows
)
WHERE has({periods:Array(Date)}, billing_month)
