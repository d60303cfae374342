-- purpose: the columns of tables as the warehouse has them, in their order
-- parameters: tables Array(String)
-- columns: table_name, name, type, is_nullable Bool (a value may be missing), comment
SELECT
    table AS table_name,
    name,
    type,
    match(type, '^(LowCardinality\\()?Nullable\\(') AS is_nullable,
    comment
FROM system.columns
WHERE database IN (currentDatabase(), '{{otel}}') AND table IN {tables:Array(String)}
ORDER BY table, position
