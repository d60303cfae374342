-- purpose: every distinct identity of the published bill, all sources, for attribution
-- parameters: none
-- columns: x_IdentityHash, tags Map(String, String), resource_id, resource_name, sub_account_id, billing_account_id,
--   resource_group String (empty where NULL), first_charge, last_charge DateTime64(9) (when its charges begin), variants UInt8 (1, or 2 where
--   several identities share the hash: a collision)
SELECT
    costs.x_IdentityHash AS x_IdentityHash,
    any(costs.Tags) AS tags,
    any(ifNull(costs.ResourceId, '')) AS resource_id,
    any(ifNull(costs.ResourceName, '')) AS resource_name,
    toString(any(ifNull(costs.SubAccountId, ''))) AS sub_account_id,
    toString(any(costs.BillingAccountId)) AS billing_account_id,
    toString(any(ifNull(costs.x_ResourceGroupName, ''))) AS resource_group,
    min(costs.ChargePeriodStart) AS first_charge,
    max(costs.ChargePeriodStart) AS last_charge,
    if(min(told) = max(told), 1, 2) AS variants
FROM
(
    SELECT
        *,
        -- another hash than the one of the identity: two identities of one hash do not share this one too
        xxh3(
            costs.Tags, ifNull(costs.ResourceId, ''), ifNull(costs.ResourceName, ''), ifNull(costs.SubAccountId, ''),
            costs.BillingAccountId, ifNull(costs.x_ResourceGroupName, '')
        ) AS told
    FROM raw_focus_costs_published AS costs
) AS costs
GROUP BY x_IdentityHash
ORDER BY x_IdentityHash
