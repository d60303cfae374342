arrayAll(
    (need, told) -> multiIf(
        need.3 = 'is', has(need.4, told),
        need.3 = 'not', NOT has(need.4, told),
        isNull(toFloat64OrNull(told)), false,
        need.3 = 'lt', toFloat64OrZero(told) < toFloat64OrZero(need.5),
        need.3 = 'lte', toFloat64OrZero(told) <= toFloat64OrZero(need.5),
        need.3 = 'gt', toFloat64OrZero(told) > toFloat64OrZero(need.5),
        toFloat64OrZero(told) >= toFloat64OrZero(need.5)),
    needs, said)
