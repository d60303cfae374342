-- purpose: what one spooled file, read by a mapping, holds per billing month and currency
-- parameters: the parameters of ingest/focus_counts and of ingest/mapping_rows
-- columns: those of ingest/focus_counts
-- shared: ingest/focus_counts
FROM
(
    -- shared: ingest/mapping_rows
)
GROUP BY period, currency
ORDER BY period, currency
