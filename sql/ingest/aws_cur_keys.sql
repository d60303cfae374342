-- purpose: the keys of the line items of one spooled Cost and Usage Report in one month: id and time interval together, as an id
--   alone stands in a line of each hour or day. Told apart within one report only: AWS gives the same line another id in another
--   report (docs.aws.amazon.com/cur, "Identity details")
-- parameters: those of ingest/aws_cur_charges and ingest/focus_cells, period Date
-- columns: row_key UInt64
WITH
    -- shared: ingest/focus_cells
    ,
    trimmed({identity_line_item_id:Identifier}) AS line_item_id,
    trimmed({identity_time_interval:Identifier}) AS time_interval
SELECT DISTINCT cityHash64(line_item_id, time_interval) AS row_key
FROM
(
-- shared: ingest/aws_cur_charges
)
WHERE billing_month = {period:Date} AND line_item_id != '' AND time_interval != ''
ORDER BY row_key
