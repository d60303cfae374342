-- purpose: bytes on disk of a row of each of our tables, on average over its active parts
-- parameters: none
-- columns: table_name, bytes_per_row Float64
SELECT table AS table_name, sum(bytes_on_disk) / sum(rows) AS bytes_per_row
FROM system.parts
WHERE active AND database = currentDatabase() AND rows > 0
GROUP BY table_name
ORDER BY table_name
