-- purpose: the rows of a spooled file of any provider under FOCUS names, as a mapping says; sql/mapped.py fills in its words,
--   with nothing but numbers, functions of ingest/mapping_cells and names of FOCUS: all that a mapping or a file says is bound
-- parameters: path, format, structure String, mapped_<n> Identifier and is_there_<n> UInt8 (each column of the file that is
--   read: how it is spelled, and whether the file has it), value_<n> String, Array(String) or Array(UInt8) (what the mapping says); lines the mapping leaves out are as blank ones
-- columns: those of raw_focus_costs that the mapping gives, `(not delivered)` (NULL: every other column), TagsAsMap (empty),
--   _file, _row_number
WITH
    -- shared: ingest/mapping_cells
    ,
    {{cells}},
    ({{is_blank}} OR {{is_skipped}}) AS is_blank_line
SELECT
    {{columns}},
    NULL AS `(not delivered)`,
    CAST(map(), 'Map(String, Nullable(String))') AS TagsAsMap,
    _file,
    _row_number
FROM
(
    SELECT
        {{file_columns}},
        _file,
        _row_number
    FROM file({path:String}, {format:String}, {structure:String}) AS given
)
