"""The one tree of errors of appfleet.

A user sees the message as one sentence: what is wrong, where, and what to do. No secret and no
traceback belongs in it. The exit code of the command is the error's own::

    AppfleetError                 1  failed
    +-- ConfigurationError        2  wrong usage, workspace or settings
    +-- InputRefused              3  bytes we were given cannot be used
    |   +-- ObjectRefused         3  one object of a source, with its position
    +-- WarehouseError            1  the warehouse refused or failed a statement
    |   +-- StatementRefused      2  a reader's statement that is not a plain read
    |   +-- NotGranted            1  a user of a server has not the right a statement needs
    |   +-- DamagedData           1  bytes of a published table cannot be read any more
    |   +-- MigrationError        1  the schema is not the one the code expects
    +-- NotAdmitted             1  whoever looks may not, or not any more
    +-- LeaseHeld                 1  somebody else writes this scope now
    +-- LeaseLost                 1  the lease we wrote under ended before we published
    +-- ControlTotalError         1  two independent counts disagree: nothing is published
    +-- CloseRefused              1  a statement cannot be closed, reopened, reclassified or credited as things are
    +-- DiskFull                  1  no room where appfleet writes
    +-- ModelError                1  a frame is not what a model was promised
"""

from __future__ import annotations

import errno


class AppfleetError(Exception):
    """Root of every error appfleet raises on purpose; ``exit_code`` is what its command ends with."""

    exit_code = 1


class ConfigurationError(AppfleetError):
    """Wrong usage, workspace or settings; the message names file, line and key."""

    exit_code = 2


class InputRefused(AppfleetError):
    """Input that cannot be used; everything good beside it is published all the same."""

    exit_code = 3


class ObjectRefused(InputRefused):
    """One object of a source is refused; names the object and the row or record at fault."""

    def __init__(self, object_name: str, reason: str, position: int = 0) -> None:
        self.object_name = object_name
        self.reason = reason
        self.position = position
        where = f"{object_name}, row {position}" if position else object_name
        super().__init__(f"{where}: {reason}")


class WarehouseError(AppfleetError):
    """The warehouse could not be reached, or refused or failed a statement; ``code`` is the engine's, if it gave one."""

    def __init__(self, message: str, code: int | None = None) -> None:
        self.code = code
        super().__init__(message)


class StatementRefused(WarehouseError):
    """A reader's statement that is not one plain read."""

    exit_code = 2


class NotGranted(WarehouseError):
    """A user of a server has not the right that a statement needs."""


class DamagedData(WarehouseError):
    """What a table has on disk cannot be read any more; ``part`` is the folder of it, as the engine names it."""

    def __init__(self, message: str, code: int | None = None, part: str = "") -> None:
        self.part = part
        super().__init__(message, code)


class MigrationError(WarehouseError):
    """The schema in the warehouse is not the one this code expects."""


class NotAdmitted(AppfleetError):
    """Whoever looks at a page is not signed in, has nothing granted, or not any more; told to that very person."""


class LeaseHeld(AppfleetError):
    """Another process holds the lease of a scope; the message says who."""


class LeaseLost(AppfleetError):
    """A lease ended under its holder, so nothing of it was published."""


class ControlTotalError(AppfleetError):
    """Two independent counts disagree, so nothing was published."""


class CloseRefused(AppfleetError):
    """A statement cannot be closed, reopened, reclassified or credited as things are; nothing was changed."""


class DiskFull(AppfleetError):
    """There is no room left where appfleet writes; what is published stays, and no input is at fault."""

    def __init__(self, place: str) -> None:
        super().__init__(
            f"the disk of {place} is full: make room and run again; what was published stays, and no input is refused"
        )


def is_disk_full(error: BaseException) -> bool:
    """Whether an error is that of a disk, or of somebody's share of it, without room."""
    return isinstance(error, DiskFull) or (
        isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    )


class ModelError(AppfleetError):
    """A frame does not have the columns, types or order a model was promised."""
