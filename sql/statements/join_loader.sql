-- purpose: says that a folder loads a warehouse that is a server
-- parameters: loader UUID, host String
-- columns: none
INSERT INTO warehouse_loaders (loader, host, joined_at) SELECT {loader:UUID}, {host:String}, now64(9)
