            -- Identities whose charges may be cut, or begin before anybody has them. All others have one line from the first
            -- moment on. Needs the parameter identities_batch UUID.
            SELECT x_IdentityHash FROM core_identities WHERE batch_id = {identities_batch:UUID}
            GROUP BY x_IdentityHash, service_name HAVING count() > 1 OR min(holds_from) > toDateTime64(0, 9, 'UTC')
