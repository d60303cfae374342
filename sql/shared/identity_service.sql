    AND identity.identity_service =
        -- shared: shared/identity_service_name
