    -- The line of its identity that held when a charge began: of `costs`, rows of the bill, and one batch of identities. Gives
    -- `identity.line` and `identity.later`, and needs the parameter identities_batch UUID.
    ASOF LEFT JOIN
    (
        -- shared: shared/identity_lines
        FROM core_identities
        WHERE batch_id = {identities_batch:UUID}
    ) AS identity
    ON identity.identity_hash = costs.x_IdentityHash
        -- shared: shared/identity_service
        AND costs.ChargePeriodStart >= identity.line_from
