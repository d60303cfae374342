-- purpose: publish releases of several periods of one scope that share their batches: one insert
-- parameters: scope String; batches_keys Array(String), batches_values Array(UUID);
--   periods Array(Date), fences, seqs, rows Array(UInt64), sha256s Array(String); published_at String
-- columns: none
INSERT INTO period_head
    (scope, period, fence, seq, batches, rows, sha256, version, state, published_at)
SELECT
    {scope:String},
    entry.1,
    entry.2,
    entry.3,
    mapFromArrays({batches_keys:Array(String)}, {batches_values:Array(UUID)}),
    entry.4,
    entry.5,
    toDateTime64(entry.1, 9, 'UTC'),
    'open',
    toDateTime64({published_at:String}, 9, 'UTC')
FROM (SELECT arrayJoin(arrayZip(
    {periods:Array(Date)}, {fences:Array(UInt64)}, {seqs:Array(UInt64)}, {rows:Array(UInt64)}, {sha256s:Array(String)})) AS entry)
