-- purpose: how far an intake has loaded what it acknowledged
-- parameters: intake String, loaded_through String (UTC)
-- columns: none
INSERT INTO raw_intake_heartbeats (intake, loaded_through, recorded_at)
SELECT {intake:String}, toDateTime64({loaded_through:String}, 9, 'UTC'), now64(9, 'UTC')
