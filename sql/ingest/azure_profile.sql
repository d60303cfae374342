-- purpose: what one spooled export of Azure's costs holds per billing month and currency
-- parameters: the parameters of ingest/focus_counts and of ingest/azure_rows
-- columns: those of ingest/focus_counts
-- shared: ingest/focus_counts
FROM
(
    -- shared: ingest/azure_rows
)
GROUP BY period, currency
ORDER BY period, currency
