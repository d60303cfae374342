-- purpose: sub accounts (AWS accounts, Azure subscriptions, Google projects) with a published cost row of a source
-- parameters: source_name String
-- columns: sub_account_id
SELECT DISTINCT ifNull(SubAccountId, '') AS sub_account_id
FROM raw_focus_costs_current
WHERE x_SourceName = {source_name:String}
ORDER BY sub_account_id
