-- purpose: ends a statement of ours that runs on a server, without waiting for its end
-- parameters: query_id String
-- columns: none
KILL QUERY WHERE query_id = {query_id:String} ASYNC
