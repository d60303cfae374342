-- The bill as people read it: published rows with the app of their identity, as it held on the day of the charge.

-- statement
CREATE OR REPLACE VIEW raw_focus_costs_current AS
SELECT costs.*, if(identity.app_id = '', 'unallocated', identity.app_id) AS x_AppId
FROM raw_focus_costs_published AS costs
ASOF LEFT JOIN
(
    SELECT x_IdentityHash AS identity_hash, valid_from, app_id FROM core_identities_current
) AS identity
ON identity.identity_hash = costs.x_IdentityHash AND toDate(costs.ChargePeriodStart) >= identity.valid_from
