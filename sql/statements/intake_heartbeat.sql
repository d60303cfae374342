-- purpose: how far an intake has loaded what it acknowledged, never further than the warehouse's own clock
-- parameters: intake, journal String; loaded_through String (UTC); waiting_bytes UInt64; state String (running or ended)
-- columns: none
INSERT INTO raw_intake_heartbeats (intake, journal, loaded_through, recorded_at, waiting_bytes, state)
SELECT
    {intake:String},
    {journal:String},
    least(toDateTime64({loaded_through:String}, 9, 'UTC'), now64(9, 'UTC')),
    now64(9, 'UTC'),
    {waiting_bytes:UInt64},
    {state:String}
