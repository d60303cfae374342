-- What is current is named in nearly every statement, so how it is found is most of what a small read takes. The first
-- line of each scope and period, in the order of the table, takes half of what a map's argMax does.

-- statement
CREATE OR REPLACE VIEW current_batches AS
SELECT scope, period, table_name, batch_id
FROM
(
    SELECT scope, period, batches AS latest
    FROM period_head
    ORDER BY scope, period, fence DESC, seq DESC
    LIMIT 1 BY scope, period
)
ARRAY JOIN mapKeys(latest) AS table_name, mapValues(latest) AS batch_id

-- statement
ALTER TABLE current_batches
    COMMENT COLUMN table_name 'table the current release of the scope and period feeds',
    COMMENT COLUMN batch_id 'batch of that table that is current'
