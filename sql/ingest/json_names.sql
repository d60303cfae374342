-- purpose: the names that the objects of a file of JSON lines have, each once, in the order of their first line
-- parameters: path String
-- columns: name, first UInt64
SELECT name, min(_row_number) AS first
FROM file({path:String}, 'JSONAsString', 'line String')
ARRAY JOIN JSONExtractKeys(line) AS name
GROUP BY name
ORDER BY first, name
