-- purpose: services that each distinct identity of the published bill is charged for: rules may tell them apart
-- parameters: none
-- columns: x_IdentityHash UInt64, service_name
SELECT DISTINCT costs.x_IdentityHash AS x_IdentityHash, toString(costs.ServiceName) AS service_name
FROM raw_focus_costs_published AS costs
ORDER BY x_IdentityHash, service_name
