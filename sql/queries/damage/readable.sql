-- purpose: reads every column of a table in full, but for some of its parts; fails where one cannot be read
-- parameters: is_telemetry UInt8 (which database the table is in), pattern String (of the table's name); without Array(String) (parts to leave out)
-- columns: rows
-- A reader may not name a table by a parameter, and merge() takes a pattern.
SELECT sum(1 - ignore(*)) AS rows
FROM merge(if({is_telemetry:UInt8}, '{{otel}}', currentDatabase()), {pattern:String})
WHERE NOT has({without:Array(String)}, _part)
