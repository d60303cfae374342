"""The local warehouse: chDB behind ClickHouse's HTTP interface, owned by one process per workspace.

``process`` has what callers need: ``open_warehouse`` for a command, ``WarehouseProcess`` for a supervisor. The engine is
loaded only by ``python -m sql.local_warehouse``, which in turn must load no client: everybody waits for its start, so
nothing is imported here.
"""
