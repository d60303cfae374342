-- Alerts, who was told of them, and what people did about them. Alerts are published like every computed table; what was told
-- and done is only ever added to.

-- statement
CREATE TABLE IF NOT EXISTS core_alerts
(
    alert_key   String                 COMMENT 'the same for the same trouble at every moment: <kind>/<subject>/...',
    kind        LowCardinality(String) COMMENT 'slo, silent, cost, budget, held or stale',
    subject     String                 COMMENT 'the app, budget or source it is about',
    environment LowCardinality(String) COMMENT 'environment of the app, or empty',
    team        LowCardinality(String) COMMENT 'owner; empty: it belongs to whole bills or to all telemetry',
    severity    LowCardinality(String) COMMENT 'page, ticket or notice: the worst of its episode',
    state       LowCardinality(String) COMMENT 'pending, firing, frozen (nobody can say now) or resolved',
    cause       String                 COMMENT 'what it shares with others, where that is known',
    sentence    String                 COMMENT 'what is wrong, in one sentence',
    since       DateTime('UTC')        COMMENT 'when it began, by the data',
    pending_at  DateTime('UTC')        COMMENT 'when it was first seen, by the clock',
    fired_at    Nullable(DateTime('UTC')) COMMENT 'when it fired',
    clear_at    Nullable(DateTime('UTC')) COMMENT 'since when nothing of it is seen; resolved once that lasted',
    frozen_at   Nullable(DateTime('UTC')) COMMENT 'since when nobody can say',
    resolved_at Nullable(DateTime('UTC')) COMMENT 'when it ended',
    episode     UInt32                 COMMENT 'the second since 1970 this key fired in, which names the episode; 0 before',
    batch_id    UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} ORDER BY (batch_id, alert_key)
COMMENT 'Alerts: what is wrong now, and what ended lately';

-- statement
CREATE OR REPLACE VIEW core_alerts_current AS
SELECT * EXCEPT batch_id FROM core_alerts
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'core_alerts');

-- statement
CREATE TABLE IF NOT EXISTS alert_sends
(
    message_id String                 COMMENT 'key of the message, the same in every attempt: receivers know a second one by it',
    fence      UInt64                 COMMENT 'of the lease it was written under; the highest (fence, seq) of a message holds',
    seq        UInt64                 COMMENT 'counts the lines of a message',
    target     LowCardinality(String) COMMENT 'name of the receiver in alerts.yaml; its address is nowhere in the warehouse',
    state      LowCardinality(String) COMMENT 'due, claimed (being sent: it may have arrived), sent, failed or given_up',
    attempt    UInt32                 COMMENT 'how often it was tried',
    at         DateTime64(3, 'UTC')   COMMENT 'when this became so',
    made_at    DateTime64(3, 'UTC')   COMMENT 'when the message was made',
    next_at    DateTime64(3, 'UTC')   COMMENT 'when it is tried at the earliest',
    title      String                 COMMENT 'first line',
    body       String                 COMMENT 'the rest',
    items      Array(String)          COMMENT 'what it tells: <event> <episode> <key> of each alert',
    reason     String                 COMMENT 'why it did not arrive, in words that name no address'
)
ENGINE = {{merge_tree}} ORDER BY (message_id, fence, seq)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Messages about alerts on their way: each line is one thing that happened to a message';

-- statement
CREATE OR REPLACE VIEW alert_sends_current AS
SELECT * FROM alert_sends
ORDER BY message_id, fence DESC, seq DESC
LIMIT 1 BY message_id;

-- statement
CREATE TABLE IF NOT EXISTS alert_acts
(
    act_id    String                 COMMENT 'id of what was done',
    act       LowCardinality(String) COMMENT 'ack (known, somebody works on it), silence, or unsilence (ends a silence early)',
    acted_by  String                 COMMENT 'who did it',
    acted_at  DateTime64(3, 'UTC')   COMMENT 'when',
    reason    String                 COMMENT 'why',
    alert_key String                 COMMENT 'only this alert; empty: any',
    episode   UInt32                 COMMENT 'of an acknowledgement: the episode',
    severity  LowCardinality(String) COMMENT 'of an acknowledgement: what it was then; worse is told again',
    subject   String                 COMMENT 'of a silence: only of this app, budget or source; empty: any',
    team      String                 COMMENT 'of a silence: only of this owner; empty: any',
    kind      LowCardinality(String) COMMENT 'of a silence: only of this kind; empty: any',
    ends_at   Nullable(DateTime64(3, 'UTC')) COMMENT 'of a silence: when it ends',
    of_act    String                 COMMENT 'of unsilence: the silence that ends'
)
ENGINE = {{merge_tree}} ORDER BY (acted_at, act_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What people did about alerts: acknowledged and silenced, with who, why and until when';

-- statement
CREATE OR REPLACE VIEW alert_acts_current AS
SELECT * FROM alert_acts LIMIT 1 BY act_id
