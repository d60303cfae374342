-- purpose: how much of the money of a batch stands in other sources too, whatever their format: sums of one account, resource,
--   day and currency that are the same in both, told apart by nothing a format may spell in its own way
-- parameters: source_name String, period Date, batch_id UUID, others Array(String) (sources whose rows were made by other rules)
-- columns: other_source_name, metric, sums (of the batch), other_sums (of the other source, of the same accounts), found (in both),
--   amounts (different amounts among those found)
-- An account and a resource are the last part of their name, in lower case: an ARN, a path and a bare id are one. Sums are rounded to
-- 6 places, so that those printed from doubles are seen; a sum of nothing tells nothing. Other accounts are not read.
WITH
    (name) -> lower(arrayElement(splitByRegexp('[/:]', ifNull(toString(name), '')), -1)) AS last_part,
    ours AS
    (
        SELECT
            toString(BillingCurrency) AS currency,
            last_part(coalesce(toString(SubAccountId), toString(BillingAccountId))) AS account,
            last_part(ResourceId) AS resource,
            toDate(ChargePeriodStart) AS day,
            [
                ('BilledCost', round(sum(toDecimal256(BilledCost, 18)), 6)),
                ('EffectiveCost', round(sum(toDecimal256(EffectiveCost, 18)), 6))
            ] AS figures
        FROM raw_focus_costs
        WHERE x_SourceName = {source_name:String} AND x_BillingPeriod = {period:Date} AND x_BatchId = {batch_id:UUID}
        GROUP BY currency, account, resource, day
    ),
    theirs AS
    (
        SELECT
            toString(x_SourceName) AS other_source_name,
            toString(BillingCurrency) AS currency,
            last_part(coalesce(toString(SubAccountId), toString(BillingAccountId))) AS account,
            last_part(ResourceId) AS resource,
            toDate(ChargePeriodStart) AS day,
            [
                ('BilledCost', round(sum(toDecimal256(BilledCost, 18)), 6)),
                ('EffectiveCost', round(sum(toDecimal256(EffectiveCost, 18)), 6))
            ] AS figures
        FROM raw_focus_costs
        WHERE has({others:Array(String)}, toString(x_SourceName)) AND x_BillingPeriod = {period:Date}
            AND (concat('billing/', toString(x_SourceName)), x_BillingPeriod, x_BatchId) IN
                (SELECT toString(scope), period, batch_id FROM current_batches WHERE table_name = 'raw_focus_costs')
            AND account IN (SELECT account FROM ours)
        GROUP BY other_source_name, currency, account, resource, day
    ),
    our_sums AS
    (
        SELECT figure.1 AS metric, currency, account, resource, day, figure.2 AS amount
        FROM ours ARRAY JOIN figures AS figure
        WHERE figure.2 != 0
    ),
    their_sums AS
    (
        SELECT other_source_name, figure.1 AS metric, currency, account, resource, day, figure.2 AS amount
        FROM theirs ARRAY JOIN figures AS figure
        WHERE figure.2 != 0
    )
SELECT
    held.other_source_name AS other_source_name,
    held.metric AS metric,
    looked.sums AS sums,
    held.other_sums AS other_sums,
    held.found AS found,
    held.amounts AS amounts
FROM
(
    SELECT
        other_source_name, metric, count() AS other_sums,
        countIf((metric, currency, account, resource, day, amount) IN (SELECT metric, currency, account, resource, day, amount FROM our_sums))
            AS found,
        uniqExactIf(amount, (metric, currency, account, resource, day, amount) IN
            (SELECT metric, currency, account, resource, day, amount FROM our_sums)) AS amounts
    FROM their_sums
    GROUP BY other_source_name, metric
) AS held
INNER JOIN (SELECT metric, count() AS sums FROM our_sums GROUP BY metric) AS looked ON looked.metric = held.metric
WHERE held.found > 0
ORDER BY other_source_name, metric
