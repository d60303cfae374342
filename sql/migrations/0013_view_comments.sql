-- Comments of those columns of views that no table has. Whatever migrations ran, the others are given the comment of
-- their table's column (queries/ledger/view_comments.sql).

-- statement
ALTER TABLE current_batches
    COMMENT COLUMN table_name 'table the current release of the scope and period feeds',
    COMMENT COLUMN batch_id 'batch of that table that is current';
-- statement
ALTER TABLE raw_focus_costs_current
    COMMENT COLUMN x_AppId 'app the charge was attributed to as of its day, or unallocated';
-- statement
ALTER TABLE mart_slo_status_current
    COMMENT COLUMN burn_rate_5m 'error rate of the last 5 minutes over what the target allows; NULL without events',
    COMMENT COLUMN burn_rate_30m 'the same of the last 30 minutes',
    COMMENT COLUMN burn_rate_1h 'the same of the last hour',
    COMMENT COLUMN burn_rate_2h 'the same of the last 2 hours',
    COMMENT COLUMN burn_rate_6h 'the same of the last 6 hours',
    COMMENT COLUMN burn_rate_1d 'the same of the last day',
    COMMENT COLUMN burn_rate_3d 'the same of the last 3 days';
