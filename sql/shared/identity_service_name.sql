        -- The service whose answer a charge has: its own where its identity has one for it, else the answer for all. Needs
        -- the parameter identities_batch UUID.
        if(
            (costs.x_IdentityHash, toString(costs.ServiceName)) IN
                (SELECT x_IdentityHash, service_name FROM core_identities WHERE batch_id = {identities_batch:UUID} AND service_name != ''),
            toString(costs.ServiceName), '')
