-- The shared cost rules a month was closed by: a closed statement says them, and is exported by them. And what of an app rules can
-- be told by beside its team: its criticality, and its tags.

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
-- statement
ALTER TABLE core_apps
    ADD COLUMN IF NOT EXISTS criticality LowCardinality(String) DEFAULT '' COMMENT 'critical, high, medium or low, as service.criticality of OpenTelemetry; empty where the registry does not say' AFTER lifecycle,
    ADD COLUMN IF NOT EXISTS tags Map(String, String) DEFAULT map() COMMENT 'labels and tags of its document, keys lower case' AFTER criticality;
-- statement
CREATE OR REPLACE VIEW core_apps_current AS
SELECT * EXCEPT batch_id FROM core_apps
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'core_apps');
