-- purpose: reads every message of a file in full; fails where one cannot be parsed
-- parameters: path, format, structure String
-- columns: messages
SELECT sum(1 - ignore(resourceMetrics)) AS messages FROM file({path:String}, {format:String}, {structure:String})
