-- purpose: what the rows of a spooled export of Azure's costs tell of the file as a whole: the order of day and month in its
--   dates, and which of both views of a bill it is
-- parameters: path, format, structure String, date_order String (empty), az_Date, az_BillingPeriodStartDate,
--   az_BillingPeriodEndDate, az_ChargeType, az_PricingModel Identifier, amortized_types Array(String) (charge types that
--   only an amortized export has), commitments Array(String) (pricing models whose purchases only an actual export has)
-- columns: day_first, month_first, doubtful String (a date that can only be read so, and one that can be read both ways;
--   empty: there is none), amortized, actual String (what only that view has; empty: there is none)
WITH
    -- shared: ingest/azure_cells
    ,
    x -> if(is_text(x), trimmed(x), '') AS date_text,
    c -> toUInt8OrZero(year_last(c)[1]) AS first_number,
    c -> toUInt8OrZero(year_last(c)[2]) AS second_number,
    arrayFilter(
        c -> notEmpty(year_last(c)),
        [
            date_text({az_Date:Identifier}), date_text({az_BillingPeriodStartDate:Identifier}),
            date_text({az_BillingPeriodEndDate:Identifier})
        ]
    ) AS dates,
    arrayFirst(c -> first_number(c) > 12 AND second_number(c) <= 12, dates) AS with_day_first,
    arrayFirst(c -> second_number(c) > 12 AND first_number(c) <= 12, dates) AS with_month_first,
    arrayFirst(c -> first_number(c) <= 12 AND second_number(c) <= 12 AND first_number(c) != second_number(c), dates) AS in_doubt,
    word({az_ChargeType:Identifier}) AS charge_type,
    word({az_PricingModel:Identifier}) AS pricing_model,
    has({amortized_types:Array(String)}, charge_type) AS is_amortized,
    (charge_type IN ('purchase', 'refund') AND has({commitments:Array(String)}, pricing_model)) AS is_actual
SELECT
    anyIf(with_day_first, with_day_first != '') AS day_first,
    anyIf(with_month_first, with_month_first != '') AS month_first,
    anyIf(in_doubt, in_doubt != '') AS doubtful,
    anyIf(trimmed({az_ChargeType:Identifier}), is_amortized) AS amortized,
    anyIf(concat(trimmed({az_ChargeType:Identifier}), ' of ', trimmed({az_PricingModel:Identifier})), is_actual) AS actual
FROM file({path:String}, {format:String}, {structure:String})
