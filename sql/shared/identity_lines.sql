    -- Lines of a batch of identities, each with those of the same identity that begin after it, in their order.
    SELECT
        x_IdentityHash AS identity_hash, service_name AS identity_service, holds_from AS line_from,
        CAST((app_id, toString(team), toString(cost_center), toString(environment), toString(attribution_rule), confidence, holds_from),
            'Tuple(app_id String, team String, cost_center String, environment String, rule String, confidence Float64, holds_from DateTime64(9, \'UTC\'))') AS line,
        groupArray((holds_from, line)) OVER (
            PARTITION BY x_IdentityHash, service_name ORDER BY holds_from ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
        ) AS later
