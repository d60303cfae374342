"""An export of a month as FOCUS, held against the validators of FOCUS and against Python."""
