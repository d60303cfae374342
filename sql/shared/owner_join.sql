        -- As shared/identity_join, but a line is the number of who has a charge by it (shared/identity_owners): what sums
        -- charges compares one number then and not six texts.
        ASOF LEFT JOIN
        (
            SELECT
                identity_hash, identity_service, line_from, owner AS line,
                groupArray((line_from, line)) OVER (
                    PARTITION BY identity_hash, identity_service ORDER BY line_from ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
                ) AS later
            FROM
            (
                -- shared: shared/identity_owners
            )
        ) AS identity
        ON identity.identity_hash = costs.x_IdentityHash
            -- shared: shared/identity_service
            AND costs.ChargePeriodStart >= identity.line_from
