-- purpose: statements that give columns of views the comments of the tables they show: the engine hands none on
-- parameters: telemetry_database String
-- columns: statement String
SELECT
    'ALTER TABLE `' || shown.database || '`.`' || shown.table || '` ' || arrayStringConcat(groupArray(
        'COMMENT COLUMN `' || shown.name || '` \'' || replaceAll(replaceAll(held.comment, '\\', '\\\\'), '\'', '\\\'') || '\''
    ), ', ') AS statement
FROM
(
    SELECT
        database, table, name,
        transform(
            table,
            ['current_batches', 'loaded_batches', 'mart_slo_states_current'],
            ['period_head', 'raw_deliveries', 'mart_slo_status'],
            replaceRegexpOne(table, '_(current|published)$', '')
        ) AS shown_table
    FROM system.columns
    WHERE comment = '' AND (database, table) IN
    (
        SELECT database, name FROM system.tables
        WHERE engine = 'View' AND database IN (currentDatabase(), {telemetry_database:String})
    )
) AS shown
INNER JOIN
(
    SELECT table, name, comment FROM system.columns
    WHERE comment != '' AND database IN (currentDatabase(), {telemetry_database:String})
) AS held ON held.table = shown.shown_table AND held.name = shown.name
GROUP BY shown.database, shown.table
ORDER BY statement
