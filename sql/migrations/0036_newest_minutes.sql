-- Objectives that page by the newest minutes, before a slice of five minutes is whole: published with the alerts, beside the
-- states, which rest on whole slices alone.

-- statement
CREATE TABLE IF NOT EXISTS mart_slo_newest
(
    app_id         String                 COMMENT 'app',
    environment    LowCardinality(String) COMMENT 'environment of the app; production only',
    objective      LowCardinality(String) COMMENT 'objective that pages',
    team           LowCardinality(String) COMMENT 'owner',
    target         Float64                COMMENT 'share of good events promised',
    threshold_ms   Nullable(UInt32)       COMMENT 'threshold of an objective of latency',
    since          DateTime('UTC')        COMMENT 'begin of the first seconds that burnt',
    fired_at       DateTime('UTC')        COMMENT 'end of the minutes it paged by first',
    seen_at        DateTime('UTC')        COMMENT 'end of the minutes it was renewed by last; held from here on for a while',
    bad            UInt64                 COMMENT 'bad events of the window that ended then',
    total          UInt64                 COMMENT 'all events of it',
    window_seconds UInt32                 COMMENT 'length of that window',
    route          String                 COMMENT 'route that stands out among the bad events; empty: none does',
    version        String                 COMMENT 'version that stands out among them; empty: none does',
    batch_id       UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} ORDER BY (batch_id, app_id, environment, objective)
COMMENT 'Objectives that page by the newest minutes, not yet a whole slice';

-- statement
CREATE OR REPLACE VIEW mart_slo_newest_current AS
SELECT * EXCEPT batch_id FROM mart_slo_newest
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'mart_slo_newest')
