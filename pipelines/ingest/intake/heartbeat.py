"""Says in the warehouse how far live telemetry is loaded, every few seconds, whether or not any arrives.

What is not loaded yet holds the moment back; what was set aside, and said so, does not.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime

from sql.warehouse import Warehouse

_log = logging.getLogger(__name__)

OpenWarehouse = Callable[[], AbstractContextManager[Warehouse]]


class Heartbeat:
    """A thread that writes one line of ``raw_intake_heartbeats`` now and then."""

    def __init__(
        self,
        name: str,
        loaded_through: Callable[[], datetime],
        open_warehouse: OpenWarehouse,
        seconds: float,
    ) -> None:
        self._name = name
        self._loaded_through = loaded_through
        self._open_warehouse = open_warehouse
        self._seconds = seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="intake-heartbeat", daemon=True)
        self.problem = ""

    def start(self) -> None:
        """Begins to write."""
        self._thread.start()

    def stop(self, patience: float) -> None:
        """Writes a last line and ends, within ``patience`` seconds."""
        self._stopped.set()
        self._thread.join(patience)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                with ExitStack() as held:
                    self._beat_in(held.enter_context(self._open_warehouse()))
            except Exception as error:  # the intake goes on; whoever reads the line sees that it is old
                if str(error) != self.problem:
                    _log.warning("how far telemetry is loaded is not written: %s", error)
                self.problem = str(error)
                self._stopped.wait(self._seconds)

    def _beat_in(self, warehouse: Warehouse) -> None:
        """Writes until told to stop.

        Raises:
            WarehouseError: the warehouse went away.
        """
        while True:
            ending = self._stopped.is_set()
            moment = self._loaded_through()
            warehouse.execute(
                "statements/intake_heartbeat",
                intake=self._name,
                loaded_through=moment.strftime("%Y-%m-%d %H:%M:%S.%f"),
            )
            self.problem = ""
            if ending:
                return
            self._stopped.wait(self._seconds)
