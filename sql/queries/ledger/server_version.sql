-- purpose: which ClickHouse answers
-- parameters: none
-- columns: version
SELECT version() AS version
