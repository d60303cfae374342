-- purpose: the line items of spooled Cost and Usage Reports of one shape that belong to the months of an attempt, into
--   raw_focus_costs. What decides was proved good by ingest/aws_cur_profile.
-- parameters: those of ingest/aws_cur_charges, and those of ingest/focus with the columns of FOCUS under their own names
-- columns: none
-- shared: ingest/focus_rows
FROM
(
-- shared: ingest/aws_cur_charges
)
WHERE has({periods:Array(Date)}, billing_month)
