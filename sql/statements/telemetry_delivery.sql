-- purpose: the ledger lines of telemetry objects that share a batch, one per object, signal and day, in one insert: they
--   make the batch visible, all of it or nothing
-- parameters: source_name, state, reason String; batch_id UUID; and one entry per line in: object_names, sha256s,
--   modified, signals, content_sha256s, content_heads Array(String); object_bytes, rows, rejected, content_bytes,
--   waiting_bytes Array(UInt64); days Array(Date)
-- columns: none
INSERT INTO raw_deliveries
    (kind, source_name, object_name, object_sha256, object_bytes, modified_at, signal, period, batch_id, rows,
     rejected, content_bytes, content_sha256, content_head, waiting_bytes, state, reason, recorded_at)
SELECT
    'telemetry',
    {source_name:String},
    line.1,
    line.2,
    line.3,
    toDateTime64(line.4, 9, 'UTC'),
    line.5,
    line.6,
    {batch_id:UUID},
    line.7,
    line.8,
    line.9,
    line.10,
    line.11,
    line.12,
    {state:String},
    {reason:String},
    now64(9)
FROM
(
    SELECT arrayJoin(arrayZip(
        {object_names:Array(String)}, {sha256s:Array(String)}, {object_bytes:Array(UInt64)}, {modified:Array(String)},
        {signals:Array(String)}, {days:Array(Date)}, {rows:Array(UInt64)}, {rejected:Array(UInt64)},
        {content_bytes:Array(UInt64)}, {content_sha256s:Array(String)}, {content_heads:Array(String)},
        {waiting_bytes:Array(UInt64)})) AS line
)
