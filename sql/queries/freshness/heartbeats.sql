-- purpose: how far every intake has loaded, where live telemetry ever came in; an intake nobody sends to moves nothing. One that
--   was stopped with nothing on its disk is as far as the others, and one that is gone holds nobody
-- parameters: live_source String (name of the intake among the sources of the ledger)
-- columns: intake, loaded_through DateTime64(9), recorded_at DateTime64(9)
SELECT
    intake,
    if(state = 'ended' AND waiting_bytes = 0, max(beats.loaded_through) OVER (), beats.loaded_through) AS loaded_through,
    recorded_at
FROM raw_intake_heartbeats AS beats FINAL
WHERE state != 'gone' AND
(
    SELECT count()
    FROM raw_deliveries AS delivery
    WHERE kind = 'telemetry' AND source_name = {live_source:String} AND state = 'loaded' AND delivery.rows > 0
) > 0
ORDER BY intake, journal
