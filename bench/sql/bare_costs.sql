-- purpose: the engine's own copy of a Parquet file, with no mapping: what billing ingest is compared with
-- parameters: path String
-- columns: none
CREATE OR REPLACE TABLE bench_bare_costs ENGINE = MergeTree ORDER BY tuple()
AS SELECT * FROM file({path:String}, 'Parquet')
