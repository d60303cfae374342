-- purpose: views of current rows, and whether each has a column of teams
-- parameters: none
-- columns: view, has_teams UInt8
SELECT table AS view, max(name = 'team') AS has_teams
FROM system.columns
WHERE database = currentDatabase() AND endsWith(table, '_current')
GROUP BY view
ORDER BY view
