            -- Lines of a batch of identities, and by number who has a charge by them: the same number, the same app, team,
            -- cost centre, environment, rule and confidence; 0 is nobody. Needs the parameter identities_batch UUID.
            SELECT
                x_IdentityHash AS identity_hash, service_name AS identity_service, holds_from AS line_from,
                if(core_identities.app_id = '', 'unallocated', core_identities.app_id) AS app,
                if(core_identities.app_id = '', 'unassigned', toString(core_identities.team)) AS owning_team,
                toString(core_identities.cost_center) AS center,
                toString(core_identities.environment) AS environment_tag,
                if(core_identities.app_id = '', 'unallocated', toString(attribution_rule)) AS rule,
                confidence AS sureness,
                if((app, center, environment_tag, sureness) = ('unallocated', '', '', 0), 0,
                    dense_rank() OVER (ORDER BY app, owning_team, center, environment_tag, rule, sureness)) AS owner
            FROM core_identities
            WHERE batch_id = {identities_batch:UUID}
