    AND identity.identity_service = if(
        (costs.x_IdentityHash, toString(costs.ServiceName)) IN
            (SELECT x_IdentityHash, service_name FROM core_identities WHERE batch_id = {identities_batch:UUID} AND service_name != ''),
        toString(costs.ServiceName), '')
