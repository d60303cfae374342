-- purpose: publish releases of several periods of one scope that share their batches: one insert
-- parameters: scope String; batches_keys Array(String), batches_values Array(UUID);
--   periods Array(Date), seqs, rows Array(UInt64), sha256s Array(String); published_at String
-- columns: none
INSERT INTO period_head
    (scope, period, seq, batches, rows, sha256, version, state, published_at)
SELECT
    {scope:String},
    entry.1,
    entry.2,
    mapFromArrays({batches_keys:Array(String)}, {batches_values:Array(UUID)}),
    entry.3,
    entry.4,
    toDateTime64(entry.1, 9, 'UTC'),
    'open',
    toDateTime64({published_at:String}, 9, 'UTC')
FROM (SELECT arrayJoin(arrayZip({periods:Array(Date)}, {seqs:Array(UInt64)}, {rows:Array(UInt64)}, {sha256s:Array(String)})) AS entry)
