-- purpose: published against attributed, exact, per source, month, currency and metric: published is what the release
--   says, held is what the table holds for it, attributed is what core_app_costs_daily holds
-- parameters: none
-- columns: source_name, billing_period, billing_currency, metric, published, held, attributed, difference Decimal(38, 18)
--   (published - attributed), damage Decimal(38, 18) (published - held)
WITH
    released AS
    (
        SELECT
            substring(head.scope, length('billing/') + 1) AS source_name,
            head.period AS billing_period,
            splitByChar('/', entry.1)[1] AS billing_currency,
            splitByChar('/', entry.1)[2] AS metric,
            CAST(entry.2, 'Decimal(38, 18)') AS published
        FROM
        (
            SELECT toString(scope) AS scope, period, argMax(sums, (fence, seq)) AS latest
            FROM period_head
            WHERE startsWith(scope, 'billing/')
            GROUP BY scope, period
        ) AS head
        ARRAY JOIN arrayZip(mapKeys(head.latest), mapValues(head.latest)) AS entry
    ),
    held AS
    (
        SELECT
            toString(x_SourceName) AS source_name,
            x_BillingPeriod AS billing_period,
            toString(BillingCurrency) AS billing_currency,
            entry.1 AS metric,
            CAST(entry.2, 'Decimal(38, 18)') AS held
        FROM
        (
            SELECT
                x_SourceName,
                x_BillingPeriod,
                BillingCurrency,
                [
                    ('BilledCost', sum(toDecimal256(BilledCost, 18))),
                    ('EffectiveCost', sum(toDecimal256(EffectiveCost, 18)))
                ] AS entries
            FROM raw_focus_costs_published
            GROUP BY x_SourceName, x_BillingPeriod, BillingCurrency
        )
        ARRAY JOIN entries AS entry
    ),
    attributed AS
    (
        SELECT
            toString(source_name) AS source_name,
            billing_period,
            toString(billing_currency) AS billing_currency,
            entry.1 AS metric,
            CAST(entry.2, 'Decimal(38, 18)') AS attributed
        FROM
        (
            SELECT
                source_name,
                billing_period,
                billing_currency,
                [
                    ('BilledCost', sum(toDecimal256(billed_cost, 18))),
                    ('EffectiveCost', sum(toDecimal256(effective_cost, 18)))
                ] AS entries
            FROM core_app_costs_daily_current
            GROUP BY source_name, billing_period, billing_currency
        )
        ARRAY JOIN entries AS entry
    )
SELECT
    released.source_name AS source_name,
    released.billing_period AS billing_period,
    released.billing_currency AS billing_currency,
    released.metric AS metric,
    released.published AS published,
    held.held AS held,
    attributed.attributed AS attributed,
    published - attributed AS difference,
    published - held AS damage
FROM released
LEFT JOIN held USING (source_name, billing_period, billing_currency, metric)
LEFT JOIN attributed USING (source_name, billing_period, billing_currency, metric)
WHERE released.metric IN ('BilledCost', 'EffectiveCost')
ORDER BY source_name, billing_period, billing_currency, metric
