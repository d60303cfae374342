-- Several machines may load one warehouse: what is current is told by the fence of the lease a release was published
-- under before its number, and each machine that loads says so once.

-- statement
ALTER TABLE period_head ADD COLUMN IF NOT EXISTS
    fence UInt64 DEFAULT 0 COMMENT 'of the lease it was published under; the highest (fence, seq) of a scope and period is current'

-- statement
CREATE OR REPLACE VIEW current_batches AS
SELECT scope, period, table_name, batch_id
FROM (SELECT scope, period, argMax(batches, (fence, seq)) AS latest FROM period_head GROUP BY scope, period)
ARRAY JOIN mapKeys(latest) AS table_name, mapValues(latest) AS batch_id

-- statement
CREATE TABLE IF NOT EXISTS warehouse_loaders
(
    loader    UUID                COMMENT 'the machine and workspace folder that loads, by the id in its .appfleet',
    host      String              COMMENT 'name of its host, for people',
    joined_at DateTime64(9, 'UTC') COMMENT 'when it joined; without leases on Postgres the newest alone may load'
)
ENGINE = {{replacing_merge_tree}}(joined_at)
ORDER BY loader
COMMENT 'Who loads a warehouse that is a server: a folder that never joined is of another workspace'
