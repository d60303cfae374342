    (
        SELECT
            app_id AS of_app, toString(environment) AS of_place, toString(objective) AS of_name, toString(indicator) AS question
        FROM mart_slo_objectives_current
        WHERE isNull(valid_to) AND indicator NOT IN ('availability', 'latency')
    )
