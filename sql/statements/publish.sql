-- purpose: publish a release: one row, the only way rows become visible
-- parameters: scope String, period Date, fence, seq UInt64, rows UInt64, sha256, version, published_at String,
--   batches, sums, residues as <name>_keys and <name>_values Array(String)
-- columns: none
INSERT INTO period_head
    (scope, period, fence, seq, batches, rows, sums, residues, sha256, version, state, published_at)
SELECT
    {scope:String},
    {period:Date},
    {fence:UInt64},
    {seq:UInt64},
    mapFromArrays({batches_keys:Array(String)}, {batches_values:Array(UUID)}),
    {rows:UInt64},
    CAST(mapFromArrays({sums_keys:Array(String)}, {sums_values:Array(String)}), 'Map(String, Decimal(76, 18))'),
    CAST(mapFromArrays({residues_keys:Array(String)}, {residues_values:Array(String)}), 'Map(String, Decimal(76, 38))'),
    {sha256:String},
    toDateTime64({version:String}, 9, 'UTC'),
    'open',
    toDateTime64({published_at:String}, 9, 'UTC')
