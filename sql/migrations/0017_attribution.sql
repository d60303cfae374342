-- Owners by the moment, resources by every attribute that names them, and what each identity of the bill cost and why.

-- statement
ALTER TABLE core_apps
    ADD COLUMN IF NOT EXISTS holds_from DateTime64(9, 'UTC') DEFAULT toDateTime64(valid_from, 9, 'UTC') COMMENT 'first moment this line holds' AFTER valid_to,
    ADD COLUMN IF NOT EXISTS holds_to DateTime64(9, 'UTC') DEFAULT toDateTime64(valid_to, 9, 'UTC') COMMENT 'first moment it no longer holds; 2149-06-06 is open' AFTER holds_from;
-- statement
CREATE OR REPLACE VIEW core_apps_current AS
SELECT * EXCEPT batch_id FROM core_apps
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'core_apps');
-- statement
ALTER TABLE core_teams
    ADD COLUMN IF NOT EXISTS holds_from DateTime64(9, 'UTC') DEFAULT toDateTime64(0, 9, 'UTC') COMMENT 'first moment this cost centre is charged for the team' AFTER members,
    ADD COLUMN IF NOT EXISTS holds_to DateTime64(9, 'UTC') DEFAULT toDateTime64('2149-06-06', 9, 'UTC') COMMENT 'first moment it no longer is; 2149-06-06 is open' AFTER holds_from;
-- statement
CREATE OR REPLACE VIEW core_teams_current AS
SELECT * EXCEPT batch_id FROM core_teams
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'core_teams');
-- statement
-- The day of valid_from stays for who reads days; what is billed is held against the moment.
ALTER TABLE core_identities
    ADD COLUMN IF NOT EXISTS service_name String DEFAULT '' COMMENT 'service the answer is for; empty: every service that has no answer of its own' AFTER x_IdentityHash,
    ADD COLUMN IF NOT EXISTS holds_from DateTime64(9, 'UTC') DEFAULT toDateTime64(valid_from, 9, 'UTC') COMMENT 'first moment the answer holds' AFTER valid_from,
    ADD COLUMN IF NOT EXISTS basis LowCardinality(String) DEFAULT attribution_rule COMMENT 'what of the rule decided: app_tag, virtual_tag, resource_id_registry, the attribute of telemetry, the kind of pattern, ambiguous, unallocated' AFTER attribution_rule,
    ADD COLUMN IF NOT EXISTS spans UInt64 DEFAULT 0 COMMENT 'spans and metric points that name the resource, where telemetry decided' AFTER evidence,
    ADD COLUMN IF NOT EXISTS first_seen DateTime64(9, 'UTC') DEFAULT toDateTime64(0, 9, 'UTC') COMMENT 'when telemetry first named it; 1970-01-01 where it did not decide' AFTER spans,
    ADD COLUMN IF NOT EXISTS last_seen DateTime64(9, 'UTC') DEFAULT toDateTime64(0, 9, 'UTC') COMMENT 'when telemetry last named it' AFTER first_seen,
    ADD COLUMN IF NOT EXISTS covered Map(String, String) DEFAULT map() COMMENT 'tag keys looked for: tag, virtual: and the rule that gave it, or empty' AFTER last_seen;
-- statement
CREATE OR REPLACE VIEW core_identities_current AS
SELECT * EXCEPT batch_id FROM core_identities
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'core_identities');
-- statement
ALTER TABLE core_app_resources
    ADD COLUMN IF NOT EXISTS attribute LowCardinality(String) DEFAULT 'cloud.resource_id' COMMENT 'attribute of telemetry that names it' AFTER app_id,
    ADD COLUMN IF NOT EXISTS points UInt64 DEFAULT 0 COMMENT 'metric points that name it' AFTER spans,
    ADD COLUMN IF NOT EXISTS first_seen DateTime64(9, 'UTC') DEFAULT toDateTime64(usage_date, 9, 'UTC') COMMENT 'time of the first span or point that names it' AFTER points,
    ADD COLUMN IF NOT EXISTS last_seen DateTime64(9, 'UTC') DEFAULT toDateTime64(usage_date, 9, 'UTC') COMMENT 'time of the last one' AFTER first_seen,
    COMMENT COLUMN resource_id 'value of the attribute: an id, name or address of the resource, lower case';
-- statement
CREATE OR REPLACE VIEW core_app_resources_current AS
SELECT * EXCEPT batch_id FROM core_app_resources
WHERE (usage_date, batch_id) IN (SELECT period, batch_id FROM current_batches WHERE table_name = 'core_app_resources');

-- statement
CREATE OR REPLACE FUNCTION resource_names AS (of_resource, of_record, wanted) -> arrayDistinct(arrayFilter(
    pair -> pair.2 != '',
    arrayMap(
        pair -> (toString(pair.1), otlp_identity(pair.2)),
        arrayFilter(
            pair -> has(wanted, pair.1),
            arrayConcat(
                arrayZip(mapKeys(of_resource), mapValues(of_resource)), arrayZip(mapKeys(of_record), mapValues(of_record)))))))

-- A charge that several owners share is cut by largest remainder, as models.money.split does: each part is floored, the
-- units left go one each to the largest remainders, on a tie to the earlier part. Units are 1e-18 of the currency.

-- statement
CREATE OR REPLACE FUNCTION money_units AS (amount) ->
    toInt256(toDecimal256(amount, 18) * toDecimal256('1000000000000000000', 0))
-- statement
CREATE OR REPLACE FUNCTION money_of_units AS (units) ->
    toDecimal256(units, 0) * toDecimal256('0.000000000000000001', 18)
-- statement
CREATE OR REPLACE FUNCTION money_remainders AS (whole_units, shares, all_shares) ->
    arrayMap(one_share -> toInt64(((whole_units * one_share) % all_shares + all_shares) % all_shares), shares)
-- statement
CREATE OR REPLACE FUNCTION money_cut AS (whole_units, shares, all_shares, left_over) ->
    arrayMap(
        (one_share, own, place) ->
            intDiv(whole_units * one_share - own, toInt256(all_shares))
                + (arrayCount((other, turn) -> other > own OR (other = own AND turn < place), left_over, arrayEnumerate(left_over))
                    < intDiv(arraySum(left_over), all_shares)),
        shares, left_over, arrayEnumerate(shares))
-- statement
CREATE OR REPLACE FUNCTION money_split AS (amount, shares) -> if(
    length(shares) = 1,
    [toDecimal256(amount, 18)],
    arrayMap(
        part_units -> money_of_units(part_units),
        money_cut(
            money_units(amount), shares, arraySum(shares),
            money_remainders(money_units(amount), shares, arraySum(shares)))))

-- statement
CREATE TABLE IF NOT EXISTS core_identity_costs
(
    billing_period   Date                   COMMENT 'first day of the billing month (UTC)',
    source_name      LowCardinality(String) COMMENT 'billing source',
    x_IdentityHash   UInt64                 COMMENT 'hash over what identifies a cost row',
    service_name     LowCardinality(String) COMMENT 'FOCUS ServiceName',
    resource_id      String                 COMMENT 'FOCUS ResourceId, or empty',
    app_id           String                 COMMENT 'the app, or unallocated',
    team             LowCardinality(String) COMMENT 'owning team, or unassigned',
    cost_center      LowCardinality(String) COMMENT 'cost centre, or empty',
    attribution_rule LowCardinality(String) COMMENT 'rule that gave the app',
    basis            LowCardinality(String) COMMENT 'what of the rule decided',
    confidence       Float64                COMMENT 'confidence of that rule',
    evidence         String                 COMMENT 'the tag, resource or pattern that decided',
    spans            UInt64                 COMMENT 'spans and metric points that name the resource, where telemetry decided',
    first_seen       DateTime64(9, 'UTC')   COMMENT 'when telemetry first named it; 1970-01-01 where it did not decide',
    last_seen        DateTime64(9, 'UTC')   COMMENT 'when telemetry last named it',
    covered          Map(String, String)    COMMENT 'tag keys looked for: tag, virtual: and the rule that gave it, or empty',
    owner_basis      LowCardinality(String) COMMENT 'owner_changed where the charge is cut at a change of owner; else empty',
    charge_start     DateTime64(9, 'UTC')   COMMENT 'first moment of a charge that is cut; else 1970-01-01',
    charge_end       DateTime64(9, 'UTC')   COMMENT 'first moment after it; else 1970-01-01',
    owned_from       DateTime64(9, 'UTC')   COMMENT 'first moment of it this owner has; else 1970-01-01',
    owned_to         DateTime64(9, 'UTC')   COMMENT 'first moment after; the share is owned over charged time',
    billing_currency LowCardinality(String) COMMENT 'ISO 4217',
    charges          UInt64                 COMMENT 'rows of the bill; one that is cut counts with its first owner',
    billed_cost      Decimal(38, 18)        COMMENT 'exact sum of BilledCost',
    effective_cost   Decimal(38, 18)        COMMENT 'exact sum of EffectiveCost',
    batch_id         UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} PARTITION BY billing_period ORDER BY (billing_period, batch_id, app_id, x_IdentityHash)
COMMENT 'What every identity of the bill cost in a month, who it went to and why: direct attribution, before shared cost rules';
-- statement
CREATE OR REPLACE VIEW core_identity_costs_current AS
SELECT * EXCEPT batch_id FROM core_identity_costs
WHERE (billing_period, batch_id) IN (SELECT period, batch_id FROM current_batches WHERE table_name = 'core_identity_costs');

-- statement
CREATE OR REPLACE VIEW raw_focus_costs_current AS
SELECT costs.*, if(identity.app_id = '', 'unallocated', identity.app_id) AS x_AppId
FROM raw_focus_costs_published AS costs
ASOF LEFT JOIN
(
    SELECT x_IdentityHash AS identity_hash, service_name AS identity_service, holds_from, app_id FROM core_identities_current
) AS identity
ON identity.identity_hash = costs.x_IdentityHash
    AND identity.identity_service = if(
        (costs.x_IdentityHash, toString(costs.ServiceName)) IN
            (SELECT x_IdentityHash, service_name FROM core_identities_current WHERE service_name != ''),
        toString(costs.ServiceName), '')
    AND costs.ChargePeriodStart >= identity.holds_from
-- statement
ALTER TABLE raw_focus_costs_current
    COMMENT COLUMN x_AppId 'app the charge was attributed to as of its first moment, or unallocated';
