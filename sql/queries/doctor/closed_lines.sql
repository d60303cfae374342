-- purpose: lines of closed statements that are not there any more or are there twice, by number; and sums of those that are
-- parameters: none
-- columns: statement_period, statement_id, stated UInt64, held UInt64, missing Array(UInt64), twice Array(UInt64),
--   sums Map(String, String) (of the lines that are there, <currency>/<column>)
WITH
    sums_of AS
(
    SELECT batch_id, CAST(groupArray((figure, toString(total))), 'Map(String, String)') AS sums
    FROM
    (
        SELECT batch_id, concat(toString(billing_currency), '/', pair.1) AS figure, sum(toDecimal256(pair.2, 18)) AS total
        FROM
        (
            SELECT batch_id, billing_currency, billed_cost, effective_cost, amount
            FROM mart_statement_lines
            WHERE batch_id IN (SELECT lines_batch FROM statement_closings_current WHERE state = 'closed')
        )
        ARRAY JOIN [('billed_cost', billed_cost), ('effective_cost', effective_cost), ('amount', amount)] AS pair
        GROUP BY batch_id, figure
    )
    GROUP BY batch_id
),
    lines_of AS
(
    SELECT batch_id, count() AS held, arraySort(groupArray(line)) AS numbers
    FROM mart_statement_lines
    WHERE batch_id IN (SELECT lines_batch FROM statement_closings_current WHERE state = 'closed')
    GROUP BY batch_id
)
SELECT
    closing.statement_period AS statement_period,
    closing.statement_id AS statement_id,
    closing.rows AS stated,
    lines_of.held AS held,
    arrayMap(
        entry -> entry.1,
        arrayFilter(entry -> entry.2 = 0, arrayZip(range(1, closing.rows + 1), arrayMap(
            number -> indexOfAssumeSorted(lines_of.numbers, number), range(1, closing.rows + 1))))
    ) AS missing,
    arrayDistinct(arrayFilter((number, before) -> number = before, lines_of.numbers, arrayPopBack(arrayPushFront(lines_of.numbers, 0))))
        AS twice,
    sums_of.sums AS sums
FROM (SELECT statement_period, statement_id, rows, lines_batch FROM statement_closings_current WHERE state = 'closed') AS closing
LEFT JOIN lines_of ON lines_of.batch_id = closing.lines_batch
LEFT JOIN sums_of ON sums_of.batch_id = closing.lines_batch
ORDER BY statement_period
