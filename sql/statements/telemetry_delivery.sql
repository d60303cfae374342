-- purpose: the ledger lines of one telemetry object, one per signal and day, in one insert: they make its batch visible
-- parameters: source_name, object_name, sha256, modified_at, state, reason String; object_bytes UInt64; batch_id UUID;
--   signals Array(String), days Array(Date), rows Array(UInt64), rejected Array(UInt64)
-- columns: none
INSERT INTO raw_deliveries
    (kind, source_name, object_name, object_sha256, object_bytes, modified_at, signal, period, batch_id, rows,
     rejected, state, reason, recorded_at)
SELECT
    'telemetry',
    {source_name:String},
    {object_name:String},
    {sha256:String},
    {object_bytes:UInt64},
    toDateTime64({modified_at:String}, 9, 'UTC'),
    line.1,
    line.4,
    {batch_id:UUID},
    line.2,
    line.3,
    {state:String},
    {reason:String},
    now64(9)
FROM (SELECT arrayJoin(arrayZip({signals:Array(String)}, {rows:Array(UInt64)}, {rejected:Array(UInt64)}, {days:Array(Date)})) AS line)
