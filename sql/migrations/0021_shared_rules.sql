-- The shared cost rules a month was closed by: a closed statement says them, and is exported by them.

-- statement
ALTER TABLE statement_closings
    ADD COLUMN IF NOT EXISTS shared_rules_version String DEFAULT '' COMMENT 'edition of the shared cost rules, empty where there were none',
    ADD COLUMN IF NOT EXISTS shared_rules_sha256 String DEFAULT '' COMMENT 'sha256 of their text; empty in what was closed before it was kept',
    ADD COLUMN IF NOT EXISTS shared_rules String DEFAULT '' COMMENT 'their text as it was, empty where there were none';
-- statement
CREATE OR REPLACE VIEW statement_closings_current AS
SELECT * FROM statement_closings
ORDER BY statement_period, fence DESC, seq DESC
LIMIT 1 BY statement_period;
