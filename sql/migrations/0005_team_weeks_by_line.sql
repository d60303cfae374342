-- A team's weeks by line of the bill, so that a trend is of usage alone: tax, purchases, credits and corrections stand beside it.

-- statement
ALTER TABLE mart_team_costs_weekly
    ADD COLUMN IF NOT EXISTS charge_category LowCardinality(String) DEFAULT '' COMMENT 'FOCUS ChargeCategory; empty in weeks computed before it was kept' AFTER app_id,
    ADD COLUMN IF NOT EXISTS charge_class LowCardinality(String) DEFAULT '' COMMENT 'FOCUS ChargeClass; empty where NULL' AFTER charge_category;
-- statement
CREATE OR REPLACE VIEW mart_team_costs_weekly_current AS
SELECT * EXCEPT batch_id FROM mart_team_costs_weekly
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'mart_team_costs_weekly');
