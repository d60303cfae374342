-- purpose: the first rows of a spooled FOCUS object that may not be loaded; read in one thread, so that rows have their number
-- parameters: path, format, structure String, the parameters of ingest/focus_faults, most UInt64
-- columns: those of ingest/focus_faults
-- shared: ingest/focus_faults
FROM file({path:String}, {format:String}, {structure:String})
WHERE NOT is_blank_row AND first_fault > 0
ORDER BY position
LIMIT {most:UInt64}
