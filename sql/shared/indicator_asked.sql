    asked AS
    (
        SELECT one.1 AS place, one.2 AS app, one.3 AS metric, one.4 AS by_end, one.5 AS needs, one.6 AS summed
        FROM
        (
            SELECT arrayJoin(JSONExtract({asked:String},
                'Array(Tuple(place UInt32, app String, metric String, by_end Bool, needs Array(Tuple(field String, key String, op String, texts Array(String), number String)), summed String))'
            )) AS one
        )
    )
