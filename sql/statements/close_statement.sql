-- purpose: close a month's statement, or reopen it: one row, the only way either becomes true
-- parameters: statement_period Date, fence, seq UInt64, state, statement_id String, statement_version UInt64, rule_version,
--   rules_sha256, shared_rules_version, shared_rules_sha256, shared_rules String, layout_version UInt64, lines_batch UUID, rows UInt64, decided_by, reason, decided_at String,
--   sums, batches, releases, files as <name>_keys and <name>_values Array(String)
-- columns: none
INSERT INTO statement_closings
(
    statement_period, fence, seq, state, statement_id, statement_version, rule_version, rules_sha256, shared_rules_version, shared_rules_sha256,
    shared_rules, layout_version,
    lines_batch, rows, sums, batches, releases, files, decided_by, reason, decided_at
)
SELECT
    {statement_period:Date},
    {fence:UInt64},
    {seq:UInt64},
    {state:String},
    {statement_id:String},
    {statement_version:UInt64},
    {rule_version:String},
    {rules_sha256:String},
    {shared_rules_version:String},
    {shared_rules_sha256:String},
    {shared_rules:String},
    {layout_version:UInt64},
    {lines_batch:UUID},
    {rows:UInt64},
    CAST(mapFromArrays({sums_keys:Array(String)}, {sums_values:Array(String)}), 'Map(String, Decimal(76, 18))'),
    mapFromArrays({batches_keys:Array(String)}, {batches_values:Array(UUID)}),
    mapFromArrays({releases_keys:Array(String)}, {releases_values:Array(UInt64)}),
    mapFromArrays({files_keys:Array(String)}, {files_values:Array(String)}),
    {decided_by:String},
    {reason:String},
    toDateTime64({decided_at:String}, 9, 'UTC')
