"""The command line and what stands behind it: a pass, the summary, doctor, and the services of ``appfleet up``."""
