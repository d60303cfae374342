-- purpose: how a cell of Azure's cost exports is read: the definitions that ingest/azure_rows and ingest/azure_survey share
-- parameters: date_order String (mdy or dmy: how a date that begins with day or month is read; empty: mdy, as none is in doubt)
-- columns: none
    -- shared: ingest/cells
    ,
    x -> lower(replaceRegexpAll(trimmed(x), '[^A-Za-z0-9]', '')) AS word,
    -- Days: YYYY-MM-DD and YYYYMMDD (a time behind is dropped), and three numbers with the year last.
    x -> extractGroups(trimmed(x), '^([0-9]{1,2})[/.-]([0-9]{1,2})[/.-](20[0-9]{2})([ T].*)?$') AS year_last,
    (year, month, day) -> concat(year, '-', leftPad(month, 2, '0'), '-', leftPad(day, 2, '0')) AS iso,
    x -> multiIf(
        match(trimmed(x), '^20[0-9]{2}-[0-9]{2}-[0-9]{2}([ T].*)?$'), substring(trimmed(x), 1, 10),
        match(trimmed(x), '^20[0-9]{6}$'), iso(substring(trimmed(x), 1, 4), substring(trimmed(x), 5, 2), substring(trimmed(x), 7, 2)),
        empty(year_last(x)), '',
        {date_order:String} = 'dmy', iso(year_last(x)[3], year_last(x)[2], year_last(x)[1]),
        iso(year_last(x)[3], year_last(x)[1], year_last(x)[2])
    ) AS day_text,
    -- The engine takes 31 February for 3 March: what it makes of a text must be that text.
    s -> if(ifNull(toString(toDate32OrNull(s)) = s, false), toDate32OrNull(s), NULL) AS day_of_text,
    x -> if(is_text(x), day_of_text(day_text(x)), CAST(x, 'Nullable(Date32)')) AS day,
    x -> coalesce(toString(day(x)), trimmed(x)) AS first_moment,
    x -> coalesce(toString(addDays(day(x), 1)), trimmed(x)) AS moment_after,
    x -> coalesce(toString(toStartOfMonth(day(x))), trimmed(x)) AS month_begins,
    x -> coalesce(toString(addMonths(toStartOfMonth(day(x)), 1)), trimmed(x)) AS month_ends
