-- purpose: files of a closed statement with their bytes, or without content where no name is asked for
-- parameters: batch_id UUID (of statement_files), file_name String (empty: every name, no content)
-- columns: file_name, file_sha256, content String (base64)
SELECT
    file_name,
    file_sha256,
    if({file_name:String} = '', '', base64Encode(content)) AS content
FROM statement_files
WHERE batch_id = {batch_id:UUID} AND ({file_name:String} = '' OR file_name = {file_name:String})
ORDER BY file_name
