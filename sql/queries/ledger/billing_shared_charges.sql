-- purpose: for every pair of objects of which at least one is new in an attempt, how many of the looked-up charge hashes of
--   the one are among the rows of the other: the objects of the attempt, and those published by every other source
-- parameters: source_name, rules String, periods Array(Date), and one entry per object and month of the attempt in
--   part_periods Array(Date), part_batches Array(UUID), part_names, part_sha256s Array(String), part_new Array(Bool)
-- columns: period, source_name, object_name, object_sha256, looked_up, rows UInt64, other_source_name, other_object_name,
--   other_object_sha256, found UInt64
WITH
    parts AS
    (
        SELECT
            {source_name:String} AS source, part.1 AS period, part.2 AS batch, part.3 AS name, part.4 AS sha256, part.5 AS is_new
        FROM
        (
            SELECT arrayJoin(arrayZip(
                {part_periods:Array(Date)}, {part_batches:Array(UUID)}, {part_names:Array(String)},
                {part_sha256s:Array(String)}, {part_new:Array(Bool)}
            )) AS part
        )
        UNION ALL
        SELECT DISTINCT toString(line.source_name), line.period, line.batch_id, line.object_name, line.object_sha256, false
        FROM raw_deliveries AS line
        WHERE line.kind = 'billing' AND line.state = 'loaded' AND line.source_name != {source_name:String}
            AND has({periods:Array(Date)}, line.period)
            AND (concat('billing/', line.source_name), line.period, line.batch_id) IN
            (
                SELECT toString(scope), period, batch_id FROM current_batches WHERE table_name = 'raw_focus_costs'
            )
    ),
    sketched AS
    (
        SELECT
            parts.source AS source, parts.period AS period, parts.name AS name, parts.sha256 AS sha256, parts.is_new AS is_new,
            charges.rows AS rows, length(charges.sketch) AS looked_up, charges.sketch AS sketch
        FROM parts
        INNER JOIN
        (
            SELECT toString(source_name) AS source, period, object_sha256 AS sha256, any(c.rows) AS rows, any(c.sketch) AS sketch
            FROM raw_object_charges AS c
            WHERE has({periods:Array(Date)}, period) AND c.rules = {rules:String}
            GROUP BY source, period, sha256
        ) AS charges ON charges.source = parts.source AND charges.period = parts.period AND charges.sha256 = parts.sha256
    ),
    hashes AS
    (
        SELECT source, period, name, sha256, is_new, rows, looked_up, arrayJoin(sketch) AS hash FROM sketched
    ),
    holders AS
    (
        SELECT DISTINCT
            toString(x_SourceName) AS source, x_BillingPeriod AS period, toString(x_ObjectName) AS name, x_ChargeHash AS hash, x_BatchId AS batch
        FROM raw_focus_costs
        WHERE has({periods:Array(Date)}, x_BillingPeriod)
            AND (x_SourceName, x_BillingPeriod, x_BatchId) IN (SELECT source, period, batch FROM parts)
            AND x_ChargeHash IN (SELECT hash FROM hashes)
    )
SELECT
    hashes.period AS period,
    hashes.source AS source_name,
    hashes.name AS object_name,
    hashes.sha256 AS object_sha256,
    any(hashes.looked_up) AS looked_up,
    any(hashes.rows) AS rows,
    owned.source AS other_source_name,
    owned.name AS other_object_name,
    owned.sha256 AS other_object_sha256,
    count() AS found
FROM hashes
INNER JOIN
(
    SELECT
        parts.source AS source, parts.period AS period, parts.name AS name, parts.sha256 AS sha256, parts.is_new AS is_new,
        holders.hash AS hash
    FROM holders
    INNER JOIN parts ON parts.source = holders.source AND parts.period = holders.period
        AND parts.name = holders.name AND parts.batch = holders.batch
) AS owned ON owned.period = hashes.period AND owned.hash = hashes.hash
WHERE (hashes.is_new OR owned.is_new) AND (hashes.source, hashes.name) != (owned.source, owned.name)
GROUP BY period, source_name, object_name, object_sha256, other_source_name, other_object_name, other_object_sha256
ORDER BY period, source_name, object_name, other_source_name, other_object_name
