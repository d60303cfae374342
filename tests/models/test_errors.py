"""What a command ends with, and what an error says of where it is: 1 failed, 2 wrong usage or settings, 3 input refused."""

from __future__ import annotations

import pytest

from models import errors
from models.errors import AppfleetError, ObjectRefused, WarehouseError

EXIT_CODES = {
    "AppfleetError": 1,
    "ConfigurationError": 2,
    "InputRefused": 3,
    "ObjectRefused": 3,
    "WarehouseError": 1,
    "StatementRefused": 2,
    "MigrationError": 1,
    "NotAdmitted": 1,
    "LeaseHeld": 1,
    "LeaseLost": 1,
    "NotGranted": 1,
    "CloseRefused": 1,
    "ControlTotalError": 1,
    "DamagedData": 1,
    "DiskFull": 1,
    "ModelError": 1,
}


def test_every_error_has_the_exit_code_that_is_promised() -> None:
    found = {
        name: one.exit_code
        for name, one in vars(errors).items()
        if isinstance(one, type) and issubclass(one, AppfleetError)
    }
    assert found == EXIT_CODES


@pytest.mark.parametrize(
    ("position", "sentence"), [(0, "a.csv: it is empty"), (1, "a.csv, row 1: it is empty")]
)
def test_a_refused_object_is_named_with_its_row(position: int, sentence: str) -> None:
    error = ObjectRefused("a.csv", "it is empty", position)
    assert (str(error), error.object_name, error.reason, error.position) == (
        sentence,
        "a.csv",
        "it is empty",
        position,
    )
    assert ObjectRefused("a.csv", "x").position == 0


def test_an_error_of_the_engine_keeps_its_code() -> None:
    assert (WarehouseError("x").code, WarehouseError("x", 241).code) == (None, 241)
