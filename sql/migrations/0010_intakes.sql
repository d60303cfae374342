-- Several intakes, each with a journal of its own, and senders known by their tokens: who speaks, what waits on its disk, what
-- came with which token. A record set aside says how many it stands for.

-- statement
ALTER TABLE raw_intake_heartbeats
    ADD COLUMN IF NOT EXISTS journal String COMMENT 'id of the journal it writes: two intakes of one name are two; empty in lines of versions before' AFTER intake,
    ADD COLUMN IF NOT EXISTS waiting_bytes UInt64 COMMENT 'bytes it acknowledged and had not loaded',
    ADD COLUMN IF NOT EXISTS state LowCardinality(String) DEFAULT 'running' COMMENT 'running; ended: it was stopped, and says so with its last line; gone: a person said that it will not come back',
    MODIFY ORDER BY (intake, journal)

-- statement
ALTER TABLE raw_rejects
    ADD COLUMN IF NOT EXISTS records UInt64 DEFAULT 1 COMMENT 'records set aside with it' AFTER position

-- statement
CREATE TABLE IF NOT EXISTS raw_intake_token_uses
(
    token            String               COMMENT 'name of the token; empty: requests that showed none that is known',
    day              Date                 COMMENT 'day (UTC) the requests came',
    intake           String               COMMENT 'the intake they came to, by name',
    journal          String               COMMENT 'id of its journal',
    started_at       DateTime64(9, 'UTC') COMMENT 'when its process started: counts begin there',
    requests         UInt64               COMMENT 'requests taken',
    bytes            UInt64               COMMENT 'their bytes, unpacked',
    rejected_records UInt64               COMMENT 'records of them left out because the token does not name their app, or set aside as faulty',
    limited          UInt64               COMMENT 'requests refused because the token sent too much',
    refused          UInt64               COMMENT 'requests refused because the token was expired, revoked or unknown',
    last_at          DateTime64(9, 'UTC') COMMENT 'when the last of all came',
    recorded_at      DateTime64(9, 'UTC') COMMENT 'when this line was written'
)
ENGINE = {{replacing_merge_tree}}(recorded_at)
ORDER BY (token, day, intake, journal, started_at)
COMMENT 'What came with each token, by day and run of an intake: the newest line of each counts'
