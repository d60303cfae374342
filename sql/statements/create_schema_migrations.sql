-- purpose: the table of migrations itself, which no migration can make
-- parameters: none
-- columns: none
CREATE TABLE IF NOT EXISTS schema_migrations
(
    name        String COMMENT 'file under sql/migrations',
    checksum    String COMMENT 'sha256 of its text',
    state       LowCardinality(String) COMMENT 'in_progress or completed',
    recorded_at DateTime64(9, 'UTC') DEFAULT now64(9) COMMENT 'when the state was reached'
)
ENGINE = {{merge_tree}} ORDER BY (name, recorded_at)
COMMENT 'Migrations of this warehouse: one line per state reached'
