-- purpose: the changes of cost that are to be explained, a row each with its days and the days before; part of a WITH
-- parameters: apps, currencies, metrics Array(String), first_days, last_days, before_first_days, before_last_days Array(Date):
--   the same place in each is one change; metrics are billed_cost or effective_cost
-- columns: number (from 1), app_id, currency, metric, first_day, last_day, before_first_day, before_last_day
windows AS
(
    SELECT
        toUInt64(arrayJoin(arrayEnumerate({apps:Array(String)}))) AS number,
        {apps:Array(String)}[number] AS app_id,
        {currencies:Array(String)}[number] AS currency,
        {metrics:Array(String)}[number] AS metric,
        {first_days:Array(Date)}[number] AS first_day,
        {last_days:Array(Date)}[number] AS last_day,
        {before_first_days:Array(Date)}[number] AS before_first_day,
        {before_last_days:Array(Date)}[number] AS before_last_day
)
