"""Everything that is sent out of appfleet: messages about alerts, through a process of their own for each receiver.

What is wrong and who is told is decided elsewhere (``pipelines.compute.alerts``, ``models.alert_routes``).
"""
