-- purpose: what one spooled FOCUS object holds per billing month and currency
-- parameters: path, format, structure String, the parameters of ingest/focus_counts
-- columns: those of ingest/focus_counts
-- shared: ingest/focus_counts
FROM file({path:String}, {format:String}, {structure:String})
GROUP BY period, currency
ORDER BY period, currency
