-- purpose: what was emptied, guessed or hidden in records that count, of objects whose rows are published or that are
--   telemetry, by source, subject and reason
-- parameters: none
-- columns: source_name, subject, reason, objects UInt64, records UInt64, amounts Array(String) (currency and exact
--   amount billed), object_name (one of them), example
SELECT
    line.source_name AS source_name,
    line.subject AS subject,
    line.reason AS reason,
    uniqExact(line.object_sha256, line.object_name) AS objects,
    sum(line.records) AS records,
    arrayMap(
        (key, amount) -> concat(substringIndex(key, '/', 1), ' ', toString(amount)),
        mapKeys(mapFilter((key, amount) -> endsWith(key, '/BilledCost'), sumMap(line.amounts)) AS billed),
        mapValues(billed)
    ) AS amounts,
    min(line.object_name) AS object_name,
    min(line.example) AS example
FROM
(
    SELECT
        toString(source_name) AS source_name, toString(subject) AS subject, toString(reason) AS reason,
        object_sha256, object_name, records, amounts, example
    FROM raw_repairs FINAL
    WHERE kind != 'billing' OR period = '1970-01-01' OR (source_name, period, object_sha256) IN
    (
        SELECT source_name, period, object_sha256
        FROM raw_deliveries
        WHERE kind = 'billing' AND state = 'loaded' AND (concat('billing/', source_name), period, batch_id) IN
        (
            SELECT scope, period, batch_id FROM current_batches WHERE table_name = 'raw_focus_costs'
        )
    )
) AS line
GROUP BY source_name, subject, reason
ORDER BY source_name, subject, reason
