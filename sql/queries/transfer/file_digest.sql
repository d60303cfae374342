-- purpose: the same of a file of rows
-- parameters: path String
-- columns: rows, digest UInt64
SELECT count() AS rows, sum(cityHash64(tuple(*))) AS digest FROM file({path:String}, 'Native')
