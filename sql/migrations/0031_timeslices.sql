-- Budgets by slices of time beside those by events: how each is counted, what a slice without requests is, and how much of the
-- time is known.

-- statement
ALTER TABLE mart_slo_objectives
    ADD COLUMN IF NOT EXISTS slice_minutes Nullable(UInt16) COMMENT 'length of a slice of time; NULL: events are counted' AFTER budgeting_method,
    ADD COLUMN IF NOT EXISTS slice_target Nullable(Decimal(38, 18)) COMMENT 'share of its events that must be good in a good slice; NULL: slices count by their own share, or events do' AFTER slice_minutes,
    ADD COLUMN IF NOT EXISTS missing_slices LowCardinality(String) COMMENT 'what a slice is in which requests were due and none came: good, bad, excluded or freeze; empty: as the policy says' AFTER slice_target,
    ADD COLUMN IF NOT EXISTS quiet_slices LowCardinality(String) COMMENT 'what a slice is in which none were due and none came: excluded or good; empty: as the policy says' AFTER missing_slices;
-- statement
CREATE OR REPLACE VIEW mart_slo_objectives_current AS
SELECT * EXCEPT batch_id FROM mart_slo_objectives
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'mart_slo_objectives');
-- statement
ALTER TABLE mart_slo_budgets
    MODIFY COLUMN events_left Nullable(Float64) COMMENT 'bad events that the events so far still allow, negative once overspent; NULL by slices of time';
-- statement
ALTER TABLE mart_slo_budgets
    ADD COLUMN IF NOT EXISTS budgeting_method LowCardinality(String) DEFAULT 'Occurrences' COMMENT 'OpenSLO budgeting method of every figure of the row' AFTER unseen,
    ADD COLUMN IF NOT EXISTS slices_bad Nullable(Float64) COMMENT 'slices of the window that were bad, by ratio the sum of their bad shares; NULL by occurrences' AFTER budgeting_method,
    ADD COLUMN IF NOT EXISTS slices_counted Nullable(UInt32) COMMENT 'slices of the window that count; NULL by occurrences' AFTER slices_bad,
    ADD COLUMN IF NOT EXISTS slices_missing Nullable(UInt32) COMMENT 'slices in which requests were due and none came; NULL by occurrences' AFTER slices_counted,
    ADD COLUMN IF NOT EXISTS slices_quiet Nullable(UInt32) COMMENT 'slices in which none were due and none came; NULL by occurrences' AFTER slices_missing,
    ADD COLUMN IF NOT EXISTS coverage Nullable(Float64) COMMENT 'share of the slices of the window that are not missing; NULL by occurrences' AFTER slices_quiet,
    ADD COLUMN IF NOT EXISTS coverage_recent Float64 DEFAULT 1 COMMENT 'share of the last slices, which alerts need, that are not missing' AFTER coverage,
    ADD COLUMN IF NOT EXISTS is_frozen Bool DEFAULT false COMMENT 'too much of them is missing: an alert neither fires nor resolves' AFTER coverage_recent,
    ADD COLUMN IF NOT EXISTS days Array(Date) COMMENT 'days (UTC) of the window; empty by occurrences, of which core_request_hours tells the days' AFTER is_frozen,
    ADD COLUMN IF NOT EXISTS days_bad Array(Float64) COMMENT 'slices of each of these days that were bad' AFTER days,
    ADD COLUMN IF NOT EXISTS days_counted Array(Float64) COMMENT 'slices of each of these days that count' AFTER days_bad;
-- statement
CREATE OR REPLACE VIEW mart_slo_budgets_current AS
SELECT * EXCEPT batch_id FROM mart_slo_budgets
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'mart_slo_budgets');
