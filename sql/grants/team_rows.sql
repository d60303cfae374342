-- purpose: of a view, a team's role sees the team's rows alone
-- parameters: none
-- columns: none
CREATE ROW POLICY IF NOT EXISTS {{role}}{{on_cluster}} ON {{database}}.{{view}} FOR SELECT USING team = {{team}} TO {{role}}
