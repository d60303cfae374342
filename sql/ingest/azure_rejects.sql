-- purpose: the first rows of a spooled export of Azure's costs that may not be loaded, under the names of the file; read in
--   one thread, so that rows have their number
-- parameters: the parameters of ingest/focus_faults and of ingest/azure_rows, focus_names and delivered_names Array(String)
--   (what a column is called in the file), most UInt64
-- columns: those of ingest/focus_faults
SELECT
    position,
    period,
    transform(column, {focus_names:Array(String)}, {delivered_names:Array(String)}, column) AS column,
    reason,
    value
FROM
(
    -- shared: ingest/focus_faults
    FROM
    (
        -- shared: ingest/azure_rows
    )
    WHERE NOT is_blank_row AND first_fault > 0
    ORDER BY position
    LIMIT {most:UInt64}
)
ORDER BY position
