-- purpose: who noted a lease last
-- parameters: lease (its name)
-- columns: holder
SELECT holder FROM appfleet.leases WHERE name = %(lease)s
