-- purpose: the fence of a lease just taken, and for people who holds it
-- parameters: lease (its name), holder
-- columns: fence
INSERT INTO appfleet.leases AS line (name, holder, fence) VALUES (%(lease)s, %(holder)s, nextval('appfleet.fence'))
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, fence = excluded.fence
RETURNING line.fence
