-- purpose: how many spans a span stands for, in 1e-9, as no order of rows changes a sum of whole numbers; expressions
-- parameters: rate_attributes Array(String) (attributes that say it as a number)
-- columns: threshold, left_out, stands_for UInt128
-- By `ot=th:` of its trace state it stands for 2^56 / (2^56 - threshold) (OpenTelemetry, TraceState: Probability Sampling); where
-- an attribute says it too the greater number counts, as a sampler behind another one multiplies what it found.
            extract(TraceState, '(?:^|,)[ \t]*ot=(?:[^,]*;)?th:([0-9a-f]{1,14})(?:[;, \t]|$)') AS threshold,
            reinterpretAsUInt64(reverse(unhex(concat('00', rightPad(threshold, 14, '0'))))) AS left_out,
            greatest(
                intDiv(toUInt128(72057594037927936) * 1000000000, toUInt128(72057594037927936) - toUInt128(left_out)),
                toUInt128(arrayMax(arrayMap(one -> toUInt64OrZero(SpanAttributes[one]), {rate_attributes:Array(String)}))) * 1000000000
            ) AS stands_for,
