    -- The line of its identity that held when a charge began: of `costs`, rows of the bill, and of several batches of identities the
    -- first that knows a charge's. Gives `identity.line` and `identity.later`, and needs the parameter identities Array(UUID).
    ASOF LEFT JOIN
    (
        -- shared: shared/identity_lines
        FROM core_identities
        WHERE has({identities:Array(UUID)}, core_identities.batch_id)
            AND (x_IdentityHash, indexOf({identities:Array(UUID)}, core_identities.batch_id)) IN
            (
                SELECT x_IdentityHash, min(indexOf({identities:Array(UUID)}, batch_id))
                FROM core_identities
                WHERE has({identities:Array(UUID)}, batch_id)
                GROUP BY x_IdentityHash
            )
    ) AS identity
    ON identity.identity_hash = costs.x_IdentityHash
        AND identity.identity_service = if(
            (costs.x_IdentityHash, toString(costs.ServiceName)) IN
            (
                SELECT x_IdentityHash, service_name
                FROM core_identities
                WHERE has({identities:Array(UUID)}, core_identities.batch_id) AND service_name != ''
                    AND (x_IdentityHash, indexOf({identities:Array(UUID)}, core_identities.batch_id)) IN
                    (
                        SELECT x_IdentityHash, min(indexOf({identities:Array(UUID)}, batch_id))
                        FROM core_identities
                        WHERE has({identities:Array(UUID)}, batch_id)
                        GROUP BY x_IdentityHash
                    )
            ),
            toString(costs.ServiceName), '')
        AND costs.ChargePeriodStart >= identity.line_from
