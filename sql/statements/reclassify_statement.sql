-- purpose: record that a person asked for a closed month to be charged by newer rules or owners
-- parameters: billing_period Date, fence, seq UInt64, decided_by, reason, decided_at, shared_rules String,
--   batches as batches_keys Array(String) and batches_values Array(UUID)
-- columns: none
INSERT INTO statement_reclassifications (billing_period, fence, seq, batches, decided_by, reason, decided_at, shared_rules)
SELECT
    {billing_period:Date},
    {fence:UInt64},
    {seq:UInt64},
    mapFromArrays({batches_keys:Array(String)}, {batches_values:Array(UUID)}),
    {decided_by:String},
    {reason:String},
    toDateTime64({decided_at:String}, 9, 'UTC'),
    {shared_rules:String}
