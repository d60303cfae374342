-- purpose: the rows of a spooled file that a mapping leaves out, by the first of its conditions that fits, and what those that
--   are totals say; read in one thread, so that rows have their number
-- parameters: the parameters of ingest/mapping_rows
-- columns: place (of the condition, from 1), rows, totals Array(Tuple(UInt64, String, String)) (row, amount and currency
--   of the first thousand; none where the condition is of no totals)
WITH
    -- shared: ingest/mapping_cells
    ,
    {{cells}},
    ({{is_blank}}) AS is_blank_line,
    multiIf({{skip_places}} 0) AS place_of
SELECT
    place_of AS place,
    count() AS rows,
    groupArrayIf(1000)(tuple(_row_number + 1, {{total_amount}}, {{total_currency}}), has({{total_places}}, place_of)) AS totals
FROM
(
    SELECT
        {{file_columns}},
        _file,
        _row_number
    FROM file({path:String}, {format:String}, {structure:String}) AS given
)
WHERE NOT is_blank_line AND place_of > 0
GROUP BY place
ORDER BY place
