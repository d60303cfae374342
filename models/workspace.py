"""Names of what lies in a workspace, for everybody who writes there. It is imported by the process that owns the
warehouse, whose start everybody waits for: nothing else may be.
"""

STATE_FOLDER = ".appfleet"
"""Where everything appfleet keeps lies in a workspace."""
