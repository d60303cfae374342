-- purpose: lets a view read its tables by the rights of who loads them, so that who may read the view needs none of its own
-- parameters: none
-- columns: none
ALTER TABLE {{database}}.{{view}}{{on_cluster}} MODIFY SQL SECURITY DEFINER DEFINER = {{definer}}
