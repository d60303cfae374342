-- purpose: an empty table of raw_focus_costs's own columns, order and settings, for the copy the ingest is compared with
-- parameters: none
-- columns: none
CREATE OR REPLACE TABLE bench_own_costs AS raw_focus_costs
