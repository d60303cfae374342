-- purpose: the folders that load a warehouse that is a server, the last that joined first
-- parameters: none
-- columns: loader String, host, joined_at
SELECT toString(loaders.loader) AS loader, argMax(loaders.host, loaders.joined_at) AS host, max(loaders.joined_at) AS joined_at
FROM warehouse_loaders AS loaders
GROUP BY loader
ORDER BY joined_at DESC, loader
