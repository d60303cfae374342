-- purpose: what leases need in Postgres: a number that only grows, and who holds what, for people
-- parameters: none
-- columns: none
BEGIN;
SELECT pg_advisory_xact_lock(4150412006);
CREATE SCHEMA IF NOT EXISTS appfleet;
CREATE SEQUENCE IF NOT EXISTS appfleet.fence;
CREATE TABLE IF NOT EXISTS appfleet.leases (name text PRIMARY KEY, holder text NOT NULL, fence bigint NOT NULL);
COMMIT
