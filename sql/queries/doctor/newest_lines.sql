-- purpose: the newest moment at which anything was written down: one that is still to come is of a clock that was set back
-- parameters: none
-- columns: published_at, recorded_at DateTime64(9)
SELECT
    (SELECT maxOrNull(published_at) FROM period_head) AS published_at,
    (SELECT maxOrNull(recorded_at) FROM raw_deliveries) AS recorded_at
