-- purpose: the rows of spooled FOCUS objects of one shape that belong to the months of an attempt, into raw_focus_costs. What
--   decides was proved good by ingest/focus_profile; any other cell that cannot be read is NULL and stands in x_Repairs.
-- parameters: path, format, structure String, the parameters of ingest/focus_cells, AllocatedMethodDetails and every
--   other column Identifier (as the object spells it), TagsAsMap Identifier (Tags where they are a map, and then alone),
--   is_utf8 UInt8 (all text of the objects was; else U+FFFD stands for what was not), source_name String, file_names and
--   object_names Array(String) (the object in each file of the path), periods Array(Date), batch_id UUID
-- columns: none
-- shared: ingest/focus_rows
FROM file({path:String}, {format:String}, {structure:String})
WHERE has({periods:Array(Date)}, billing_month)
