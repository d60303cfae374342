-- purpose: where a view has a policy, whoever has none of his own sees nothing of it: the loaders and the pages see all
-- parameters: none
-- columns: none
CREATE ROW POLICY IF NOT EXISTS {{policy}}{{on_cluster}} ON {{database}}.{{view}} FOR SELECT USING 1 TO {{definer}}, {{role}}
