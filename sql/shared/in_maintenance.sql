-- Whether a slice (app_id, environment, slice_start) is among those of shared/maintained: by the calendar of all (1), of its app, of
-- its environment, or of both. Parameters: maintained_apps, maintained_environments, maintained_pairs Array(String) (names with a
-- calendar, of an app and an environment with a unit separator in between), each with the calendars beside it, Array(UInt32).
(
    notEmpty({maintained_calendars:Array(UInt32)})  -- a constant: where nobody is, nothing of this is done
    AND (
    bitShiftLeft(toUInt64(1), 32) + toUInt32(slice_start) IN (SELECT place FROM maintained)
    OR bitShiftLeft(toUInt64(transform(app_id, {maintained_apps:Array(String)}, {maintained_app_calendars:Array(UInt32)}, toUInt32(0))), 32)
        + toUInt32(slice_start) IN (SELECT place FROM maintained)
    OR bitShiftLeft(toUInt64(transform(
            toString(environment), {maintained_environments:Array(String)}, {maintained_environment_calendars:Array(UInt32)}, toUInt32(0))), 32)
        + toUInt32(slice_start) IN (SELECT place FROM maintained)
    OR bitShiftLeft(toUInt64(transform(
            concat(app_id, '\x1f', toString(environment)), {maintained_pairs:Array(String)}, {maintained_pair_calendars:Array(UInt32)},
            toUInt32(0))), 32)
        + toUInt32(slice_start) IN (SELECT place FROM maintained)
    )
)
