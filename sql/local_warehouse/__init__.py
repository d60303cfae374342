"""The local warehouse: chDB behind ClickHouse's HTTP interface, owned by one process per workspace.

Import from here: ``open_warehouse`` for a command, ``WarehouseProcess`` for a supervisor. The engine itself is
loaded only by ``python -m sql.local_warehouse``.
"""

from sql.local_warehouse.process import WarehouseProcess, open_warehouse, opened_meanwhile

__all__ = ["WarehouseProcess", "open_warehouse", "opened_meanwhile"]
