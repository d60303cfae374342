-- Who signed in, who was refused, who saw which page and took which file: lines of the pages' spool, each once.

-- statement
CREATE TABLE IF NOT EXISTS core_access_log
(
    event_id   String                 COMMENT 'id of the entry, given where it was made: it counts once however often it is loaded',
    at         DateTime64(9, 'UTC')   COMMENT 'when it happened, by the clock of who serves the pages',
    event      LowCardinality(String) COMMENT 'sign_in, sign_out, refused, page, file, file_refused, break_glass or lost',
    person     String                 COMMENT 'what the provider calls the person, or break-glass admin',
    subject    String                 COMMENT 'the claim sub of the sign-in: the provider''s own name for the person',
    session    String                 COMMENT 'begin of the id of the sign-in: entries of one sign-in have the same',
    page       LowCardinality(String) COMMENT 'page that was seen, or from which a file was taken',
    file_name  String                 COMMENT 'file that was taken, or refused',
    parameters Map(String, String)    COMMENT 'what the address asked the page for, or what the file was made with',
    teams      Array(String)          COMMENT 'teams whose rows the person could see then; see_all_teams among the rights is every team',
    rights     Array(String)          COMMENT 'rights the person had then',
    reason     String                 COMMENT 'why somebody or something was refused, or what was lost',
    lost       UInt64                 COMMENT 'entries before this one that could not be written; 0 but for event lost',
    batch_id   UUID                   COMMENT 'load that wrote the row'
)
ENGINE = {{merge_tree}} PARTITION BY toYYYYMM(at) ORDER BY (at, event_id)
COMMENT 'Who signed in or was refused, saw which page and took which file, kept as long as the policy says';

-- statement
CREATE OR REPLACE VIEW core_access_log_current AS
SELECT * EXCEPT batch_id FROM core_access_log LIMIT 1 BY event_id
