-- purpose: every intake that ever spoke, with what it said last; lines of versions before, which had no journal, as long as
--   nobody else speaks
-- parameters: none
-- columns: intake, journal, loaded_through, recorded_at, waiting_bytes, state, newest_at (of any intake's line)
SELECT
    intake,
    journal,
    loaded_through,
    recorded_at,
    waiting_bytes,
    toString(beats.state) AS state,
    max(recorded_at) OVER () AS newest_at
FROM raw_intake_heartbeats AS beats FINAL
WHERE journal != '' OR (SELECT count() FROM raw_intake_heartbeats WHERE journal != '') = 0
ORDER BY intake, journal
