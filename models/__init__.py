"""Pure domain logic of appfleet: frames in, frames out.

No IO, clock, environment or logging lives here; a moment in time is an argument named ``as_of``.
"""
