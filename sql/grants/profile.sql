-- purpose: what a reader's statement may use on a server, as the embedded warehouse limits its readers
-- parameters: none
-- columns: none
CREATE SETTINGS PROFILE IF NOT EXISTS {{profile}}{{on_cluster}} SETTINGS
    readonly = 2, max_execution_time = 300 MAX 300, max_memory_usage = 8589934592 MAX 8589934592,
    allow_introspection_functions = 0 CONST
