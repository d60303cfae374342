-- purpose: the first rows of a spooled FOCUS object that may not be loaded, each fault with its column and value;
--   the same rules as ingest/focus_profile, read in one thread so that rows have their number
-- parameters: path, format, structure String, currencies Array(String), most UInt64
-- columns: position UInt64 (data row from 1), period Nullable(Date), column, reason, value String
WITH
    x -> (toTypeName(x) IN ('String', 'Nullable(String)')) AS is_text,
    x -> nullIf(nullIf(x, ''), 'NULL') AS text,
    x -> (toUInt8OrZero(extract(toTypeName(x), 'Decimal.*, ([0-9]+)')) <= 18) AS is_short,
    x -> if(is_text(x), toDecimal256OrNull(toString(x), 38), CAST(x, 'Nullable(Decimal(76, 38))')) AS decimal,
    x -> (length(extract(x, '[.]([0-9]*)')) - toInt16OrZero(extract(x, '[eE]([+-]?[0-9]+)$'))) AS places,
    x -> (
        match(x, '^[+-]?(0*[0-9]{1,15}([.][0-9]{0,38})?|[.][0-9]{1,38})$')
        OR (
            match(x, '^[+-]?([0-9]+([.][0-9]{0,38})?|[.][0-9]{1,38})[eE][+-]?[0-9]{1,2}$')
            AND places(x) <= 38 AND ifNull(abs(toDecimal256OrNull(x, 38)) < toDecimal256('1000000000000000', 38), false)
        )
    ) AS is_number_text,
    x -> ifNull(
        multiIf(
            is_text(x), is_number_text(ifNull(toString(x), '')),
            is_short(x), abs(CAST(x, 'Nullable(Decimal(38, 18))')) < toDecimal128('1000000000000000', 18),
            abs(decimal(x)) < toDecimal256('1000000000000000', 38)
        ),
        false
    ) AS is_cost,
    x -> if(is_text(x), text(toString(x)) IS NULL OR is_cost(toString(x)), true) AS is_quantity,
    x -> if(
        is_text(x),
        if(
            match(ifNull(toString(x), ''), '^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?$'),
            parseDateTime64BestEffortOrNull(toString(x), 9, 'UTC'),
            NULL
        ),
        if(toYear(x) BETWEEN 2000 AND 2099, CAST(x, 'Nullable(DateTime64(9, \'UTC\'))'), NULL)
    ) AS moment,
    x -> ifNull(toYear(moment(x)) BETWEEN 2000 AND 2099, false) AS is_moment,
    x -> if(is_text(x), toString(x) IN ('', 'NULL') OR JSONType(toString(x)) = 'Object', true) AS is_tags,
    arrayConcat(
        if(is_cost(BilledCost), [], [('BilledCost', 'is no plain decimal of at most 38 places and 15 digits before the point', substring(ifNull(toString(BilledCost), 'NULL'), 1, 80))]),
        if(is_cost(ContractedCost), [], [('ContractedCost', 'is no plain decimal of at most 38 places and 15 digits before the point', substring(ifNull(toString(ContractedCost), 'NULL'), 1, 80))]),
        if(is_cost(EffectiveCost), [], [('EffectiveCost', 'is no plain decimal of at most 38 places and 15 digits before the point', substring(ifNull(toString(EffectiveCost), 'NULL'), 1, 80))]),
        if(is_cost(ListCost), [], [('ListCost', 'is no plain decimal of at most 38 places and 15 digits before the point', substring(ifNull(toString(ListCost), 'NULL'), 1, 80))]),
        if(is_quantity(CommitmentDiscountQuantity), [], [('CommitmentDiscountQuantity', 'is no plain decimal of at most 38 places and 15 digits before the point', substring(ifNull(toString(CommitmentDiscountQuantity), 'NULL'), 1, 80))]),
        if(is_quantity(ConsumedQuantity), [], [('ConsumedQuantity', 'is no plain decimal of at most 38 places and 15 digits before the point', substring(ifNull(toString(ConsumedQuantity), 'NULL'), 1, 80))]),
        if(is_quantity(ContractedUnitPrice), [], [('ContractedUnitPrice', 'is no plain decimal of at most 38 places and 15 digits before the point', substring(ifNull(toString(ContractedUnitPrice), 'NULL'), 1, 80))]),
        if(is_quantity(ListUnitPrice), [], [('ListUnitPrice', 'is no plain decimal of at most 38 places and 15 digits before the point', substring(ifNull(toString(ListUnitPrice), 'NULL'), 1, 80))]),
        if(is_quantity(PricingCurrencyContractedUnitPrice), [], [('PricingCurrencyContractedUnitPrice', 'is no plain decimal of at most 38 places and 15 digits before the point', substring(ifNull(toString(PricingCurrencyContractedUnitPrice), 'NULL'), 1, 80))]),
        if(is_quantity(PricingCurrencyEffectiveCost), [], [('PricingCurrencyEffectiveCost', 'is no plain decimal of at most 38 places and 15 digits before the point', substring(ifNull(toString(PricingCurrencyEffectiveCost), 'NULL'), 1, 80))]),
        if(is_quantity(PricingCurrencyListUnitPrice), [], [('PricingCurrencyListUnitPrice', 'is no plain decimal of at most 38 places and 15 digits before the point', substring(ifNull(toString(PricingCurrencyListUnitPrice), 'NULL'), 1, 80))]),
        if(is_quantity(PricingQuantity), [], [('PricingQuantity', 'is no plain decimal of at most 38 places and 15 digits before the point', substring(ifNull(toString(PricingQuantity), 'NULL'), 1, 80))]),
        if(is_moment(BillingPeriodStart), [], [('BillingPeriodStart', 'is no time between 2000 and 2100', substring(ifNull(toString(BillingPeriodStart), 'NULL'), 1, 80))]),
        if(is_moment(BillingPeriodEnd), [], [('BillingPeriodEnd', 'is no time between 2000 and 2100', substring(ifNull(toString(BillingPeriodEnd), 'NULL'), 1, 80))]),
        if(is_moment(ChargePeriodEnd), [], [('ChargePeriodEnd', 'is no time between 2000 and 2100', substring(ifNull(toString(ChargePeriodEnd), 'NULL'), 1, 80))]),
        if(is_moment(ChargePeriodStart), [], [('ChargePeriodStart', 'is no time between 2000 and 2100', substring(ifNull(toString(ChargePeriodStart), 'NULL'), 1, 80))]),
        if(ifNull(moment(BillingPeriodEnd) > moment(BillingPeriodStart), false), [], [('BillingPeriodEnd', 'is not after BillingPeriodStart', substring(ifNull(toString(BillingPeriodEnd), 'NULL'), 1, 80))]),
        if(ifNull(moment(ChargePeriodEnd) >= moment(ChargePeriodStart), false), [], [('ChargePeriodEnd', 'is before ChargePeriodStart', substring(ifNull(toString(ChargePeriodEnd), 'NULL'), 1, 80))]),
        if(ifNull(BillingCurrency, '') IN {currencies:Array(String)}, [], [('BillingCurrency', 'is no ISO 4217 currency', substring(ifNull(toString(BillingCurrency), 'NULL'), 1, 80))]),
        if(is_tags(Tags), [], [('Tags', 'is no JSON object', substring(ifNull(toString(Tags), 'NULL'), 1, 80))])
    ) AS faults
SELECT
    _row_number + 1 AS position,
    if(is_moment(BillingPeriodStart), toStartOfMonth(toDate(moment(BillingPeriodStart))), NULL) AS period,
    faults[1].1 AS column,
    faults[1].2 AS reason,
    faults[1].3 AS value
FROM file({path:String}, {format:String}, {structure:String})
WHERE notEmpty(faults)
ORDER BY position
LIMIT {most:UInt64}
