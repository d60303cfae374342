-- purpose: which shared cost rules gave, or kept, something in any published month
-- parameters: none
-- columns: rule_name, rule_version
SELECT DISTINCT toString(given.allocation_rule) AS rule_name, toString(given.rule_version) AS rule_version
FROM core_cost_allocations_current AS given
ORDER BY rule_name, rule_version
