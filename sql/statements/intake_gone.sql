-- purpose: says that an intake will not come back; what it says afterwards, if it does, counts again
-- parameters: intake, journal String
-- columns: none
INSERT INTO raw_intake_heartbeats (intake, journal, loaded_through, recorded_at, waiting_bytes, state)
SELECT beats.intake, beats.journal, beats.loaded_through, beats.recorded_at + INTERVAL 1 NANOSECOND, beats.waiting_bytes, 'gone'
FROM raw_intake_heartbeats AS beats FINAL
WHERE intake = {intake:String} AND journal = {journal:String}
