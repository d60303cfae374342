-- Pages ask for the last days over all apps. Months are partitions, but a charge may be billed in another month than
-- the one it was used in, so only the days themselves say which parts can be left out.

-- statement
ALTER TABLE core_app_costs_daily ADD INDEX IF NOT EXISTS usage_days usage_date TYPE minmax GRANULARITY 1
