-- Slices of requests that are in maintenance, in seconds since 1970, by calendar: whoever is left out at the same times shares one.
-- Parameters, of models.maintenance.slice_parameters: maintained_calendars, maintained_from, maintained_to Array(UInt32) (a stretch
-- of a calendar each).
    maintained AS
    (
        SELECT toUInt64(one.1) AS calendar, arrayJoin(range(one.2, one.3, 300)) AS slice, bitShiftLeft(calendar, 32) + slice AS place
        FROM
        (
            SELECT arrayJoin(arrayZip(
                {maintained_calendars:Array(UInt32)}, {maintained_from:Array(UInt32)}, {maintained_to:Array(UInt32)})) AS one
        )
    )
