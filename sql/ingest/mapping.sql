-- purpose: the rows of spooled files of one shape, read by a mapping, that belong to the months of an attempt, into
--   raw_focus_costs
-- parameters: periods Array(Date), the parameters of ingest/focus_rows and of ingest/mapping_rows
-- columns: none
-- shared: ingest/focus_rows
FROM
(
    -- shared: ingest/mapping_rows
)
WHERE has({periods:Array(Date)}, billing_month)
