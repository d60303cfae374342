-- purpose: reads every column of a table in full, but for some of its parts; fails where one cannot be read
-- parameters: database, pattern String (of the table's name); without Array(String) (parts to leave out)
-- columns: rows
-- A reader may not name a table by a parameter, and merge() takes a pattern.
SELECT sum(1 - ignore(*)) AS rows
FROM merge({database:String}, {pattern:String})
WHERE NOT has({without:Array(String)}, _part)
