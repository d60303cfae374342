-- purpose: the first rows of a spooled file, read by a mapping, that may not be loaded, under the names of the file; read in
--   one thread, so that rows have their number
-- parameters: the parameters of ingest/focus_faults and of ingest/mapping_rows, focus_names and told_names Array(String)
--   (what a column is called in a sentence), most UInt64
-- columns: those of ingest/focus_faults
SELECT
    position,
    period,
    transform(column, {focus_names:Array(String)}, {told_names:Array(String)}, column) AS column,
    if(endsWith(reason, 'ISO 4217 currency') AND position(value, ' and ') > 0, 'are two currencies in one line', reason) AS reason,
    value
FROM
(
    -- shared: ingest/focus_faults
    FROM
    (
        -- shared: ingest/mapping_rows
    )
    WHERE NOT is_blank_row AND first_fault > 0
    ORDER BY position
    LIMIT {most:UInt64}
)
ORDER BY position
