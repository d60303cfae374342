-- What is done about alerts: every decision of a playbook with its inputs, and messages that are events and no words.

-- statement
CREATE TABLE IF NOT EXISTS remediation_decisions
(
    decision_id String                 COMMENT 'id of the decision',
    action_id   String                 COMMENT 'the same for a playbook and an episode of an alert; what is sent has it as its key',
    fence       UInt64                 COMMENT 'of the lease a pass decided under, 0 of a person; of a pass the highest (fence, seq) of an action holds',
    seq         UInt64                 COMMENT 'counts the decisions of passes about an action, 0 of a person',
    decision    LowCardinality(String) COMMENT 'of a pass: dry_run, proposed (waits for a person), acted (sent, or the app is marked), held_back, withdrawn or ended; of a person: approved or declined',
    decided_by  String                 COMMENT 'appfleet, or the person',
    decided_at  DateTime64(3, 'UTC')   COMMENT 'when',
    reason      String                 COMMENT 'why',
    of_line     String                 COMMENT 'of a person: the decision this answers',
    playbook    String                 COMMENT 'name of the playbook',
    version     String                 COMMENT 'of what the playbook says; another one where it was changed',
    action      LowCardinality(String) COMMENT 'flag, webhook, throttle, circuit_breaker or disable',
    target      LowCardinality(String) COMMENT 'name of the receiver in playbooks.yaml, empty of a flag',
    risk        LowCardinality(String) COMMENT 'none, low, medium or high',
    alert_key   String                 COMMENT 'the alert it is about',
    episode     UInt32                 COMMENT 'the episode of the alert',
    kind        LowCardinality(String) COMMENT 'kind of the alert',
    subject     String                 COMMENT 'the app, budget or source',
    team        LowCardinality(String) COMMENT 'its owner then',
    environment LowCardinality(String) COMMENT 'environment of the app, or empty',
    inputs      String                 COMMENT 'everything it was decided by, as JSON: alert, facts, playbook, bounds, who approved',
    event       String                 COMMENT 'what was or would be sent, as JSON; of a flag its words'
)
ENGINE = {{merge_tree}} ORDER BY (alert_key, action_id, decided_at, decision_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What was decided about alerts by playbooks and people, with what it was decided by';

-- statement
CREATE OR REPLACE VIEW remediation_decisions_current AS
SELECT * FROM remediation_decisions LIMIT 1 BY alert_key, action_id, decision_id;

-- statement
ALTER TABLE alert_sends
    ADD COLUMN IF NOT EXISTS form LowCardinality(String) DEFAULT 'words' COMMENT 'words (to people), or of a playbook: event (CloudEvents 1.0, JSON) or webhook (JSON)' AFTER target;

-- statement
CREATE OR REPLACE VIEW alert_sends_current AS
SELECT * FROM alert_sends
ORDER BY message_id, fence DESC, seq DESC
LIMIT 1 BY message_id
