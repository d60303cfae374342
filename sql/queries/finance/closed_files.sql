-- purpose: files a month was closed with; they are of all teams, so only a viewer with the right to see whole bills and every
--   team is shown them. The bytes come with a name that is asked for alone
-- right: download_statements
-- parameters: teams Array(String), see_whole_bills Bool, see_all_teams Bool, billing_period Date, file_name String (empty:
--   every name, no content)
-- columns: file_name, file_sha256, bytes, content String (base64)
SELECT
    stored.file_name AS file_name,
    stored.file_sha256 AS file_sha256,
    length(stored.content) AS bytes,
    if({file_name:String} = '', '', base64Encode(stored.content)) AS content
FROM statement_files AS stored
WHERE {see_whole_bills:Bool} AND {see_all_teams:Bool} AND notEmpty({teams:Array(String)})
    AND (stored.statement_period, stored.batch_id) IN
        (SELECT statement_period, lines_batch FROM statement_closings_current WHERE state = 'closed')
    AND stored.statement_period = {billing_period:Date}
    AND ({file_name:String} = '' OR stored.file_name = {file_name:String})
ORDER BY file_name
