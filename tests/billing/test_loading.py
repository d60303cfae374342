"""Objects of one shape are loaded by one statement, each row under its own object; where that fails, the object at fault is named."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from models.errors import WarehouseError
from pipelines.ingest.billing import loading
from pipelines.ingest.billing.delivery import DeliveredObject
from pipelines.ingest.billing.formats import BILL_FORMATS, readable
from pipelines.ingest.billing.ledger import Profile
from pipelines.ingest.billing.loading import Loadable, bound, together
from pipelines.ingest.billing.plan import Candidate
from pipelines.ingest.billing.spooling import Spool
from pipelines.ingest.sources import SourceObject
from tests.billing.conftest import OCTOBER, Bills

LOAD = BILL_FORMATS["focus"].load
SEPTEMBER = date(2024, 9, 1)


@pytest.fixture
def loads(bills: Bills, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Objects of each statement that loads."""
    load, found = bills.warehouse.load, []

    def watched(name: str, /, *args: Any, **parameters: Any) -> None:
        if name == LOAD:
            found.append(list(parameters["object_names"]))
        load(name, *args, **parameters)

    monkeypatch.setattr(bills.warehouse, "load", watched)
    return found


def by_object(bills: Bills) -> dict[str, Decimal]:
    """What the published rows of each object cost."""
    frame = bills.warehouse.frame_of(
        "SELECT toString(x_ObjectName) AS name, sum(BilledCost) AS cost FROM raw_focus_costs_published GROUP BY name"
    )
    return dict(frame.rows())


def test_objects_of_one_shape_are_one_statement(bills: Bills, focus_csv, loads: list[list[str]]) -> None:
    """Another header, another month, another delimiter or another encoding is another shape."""
    bills.put("a.csv", focus_csv({"BilledCost": "1"}))
    bills.put("b, {c}.csv", focus_csv({"BilledCost": "2", "InvoiceId": "i"}))
    bills.put("c.csv", focus_csv({"BilledCost": "4"}, {"BilledCost": "8"}))
    bills.put("d.csv", focus_csv({"BilledCost": "16"}))
    bills.put("e.csv", focus_csv({"BilledCost": "32", **OCTOBER}))
    bills.put(
        "f.csv",
        focus_csv({"BilledCost": "64"})
        .replace(",", ";")
        .replace('""', '"')
        .replace('"{', "{")
        .replace('}"', "}"),
    )
    bills.put("g.csv", focus_csv({"BilledCost": "128"}).encode("utf-16"))
    outcome = bills.ingest()
    assert outcome.refusals == ()
    names = ["a.csv", "b, {c}.csv", "c.csv", "d.csv", "e.csv", "f.csv", "g.csv"]
    costs = dict(zip(names, map(Decimal, (1, 2, 12, 16, 32, 64, 128)), strict=True))
    assert by_object(bills) == costs
    assert [len(one) for one in loads if "c.csv" in one] == [2], loads
    assert sorted(name for one in loads for name in one) == names
    bills.put("d.csv", focus_csv({"BilledCost": "17"}))
    assert bills.ingest().refusals == ()
    assert by_object(bills) == {**costs, "d.csv": Decimal(17)}


def test_a_run_that_cannot_be_loaded_names_the_object_at_fault(
    bills: Bills, focus_csv, loads: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows may be there in part, so the others are loaded under another batch, and count once."""
    for name, cost in (("a", "1"), ("c", "4"), ("d", "8")):
        bills.put(f"{name}.csv", focus_csv({"BilledCost": cost}))
    bills.put("b.csv", focus_csv({"BilledCost": "2"}, {"BilledCost": "100", **OCTOBER}))
    bills.put("e.csv", focus_csv({"BilledCost": "200", **OCTOBER}))
    watched = bills.warehouse.load

    def failing(name: str, /, *args: Any, **parameters: Any) -> None:
        watched(name, *args, **parameters)
        if name == LOAD and "c.csv" in parameters["object_names"]:
            raise WarehouseError("it broke", 1)

    with monkeypatch.context() as patch:
        patch.setattr(bills.warehouse, "load", failing)
        outcome = bills.ingest()
    assert [(one.object_name, one.sentence) for one in outcome.refusals] == [
        ("c.csv", "it cannot be loaded (it broke)")
    ]
    assert ["a.csv"] in loads and max(map(len, loads)) > 1
    assert bills.published() == {date(2024, 10, 1): Decimal(300)}
    assert bills.ingest().refusals == ()
    assert bills.published() == {SEPTEMBER: Decimal(15), date(2024, 10, 1): Decimal(300)}


def test_bytes_that_are_gone_are_fetched_again(
    bills: Bills, focus_csv, loads: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, cost in (("a", "1"), ("b", "2"), ("c", "4")):
        bills.put(f"{name}.csv", focus_csv({"BilledCost": cost}))
    fetch = Spool.readable

    def forgetful(spool: Spool, item: DeliveredObject) -> Any:
        found = fetch(spool, item)
        if item.name == "c.csv" and (held := spool._held.pop("a.csv", None)):
            held.spooled.path.unlink()
        return found

    monkeypatch.setattr(Spool, "readable", forgetful)
    assert bills.ingest().refusals == ()
    assert loads == [["a.csv"], ["b.csv"], ["c.csv"]]
    assert by_object(bills) == {"a.csv": Decimal(1), "b.csv": Decimal(2), "c.csv": Decimal(4)}


def loadable(folder: Path, name: str, content: str, *periods: date) -> Loadable:
    path = folder / f"{name}.bytes"
    path.write_text(content)
    found = readable(name, path, BILL_FORMATS["focus"], lambda path: [])
    item = DeliveredObject(SourceObject(name, 9, None, ""), None)  # type: ignore[arg-type]
    return Loadable(Candidate(item, Profile(name, {}, ())), found, periods or (SEPTEMBER,))


def test_a_run_ends_where_the_shape_changes_or_enough_is_read(
    tmp_path: Path, focus_csv, monkeypatch: pytest.MonkeyPatch
) -> None:
    def runs(*objects: Loadable) -> list[str]:
        return ["".join(one.name for one in run) for run in together(objects)]

    plain, other = focus_csv({}), focus_csv({"InvoiceId": "i"})
    a, b, c = (loadable(tmp_path, name, plain) for name in "abc")
    assert runs(a, b, c) == ["abc"]
    assert runs(a, loadable(tmp_path, "x", other), b, c) == ["a", "x", "bc"]
    assert runs(a, loadable(tmp_path, "o", plain, date(2024, 10, 1)), b) == ["a", "o", "b"]
    assert runs(a, replace(b, readable=replace(b.readable, is_utf8=False)), c) == ["a", "b", "c"]
    size = len(plain.encode())
    for most, want in (
        (2 * size, ["ab", "c"]),
        (2 * size - 1, ["a", "b", "c"]),
        (3 * size, ["abc"]),
        (1, ["a", "b", "c"]),
    ):
        monkeypatch.setattr(loading, "MOST_BYTES", most)
        assert runs(a, b, c) == want, most
    assert runs() == []


def test_a_large_object_is_loaded_before_the_next_is_fetched(
    tmp_path: Path, focus_csv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "MOST_BYTES", 1)
    asked = iter([loadable(tmp_path, name, focus_csv({})) for name in "ab"])
    assert next(together(asked))[0].name == "a"
    assert next(asked).name == "b"


def test_a_file_that_says_what_it_is_called_is_believed_by_nobody(bills: Bills, focus_csv) -> None:
    for name, cost in (("a", "1"), ("b", "2")):
        bills.put(f"{name}.csv", focus_csv({"BilledCost": cost, "_file": "c.csv"}))
    assert bills.ingest().refusals == ()
    assert by_object(bills) == {"a.csv": Decimal(1), "b.csv": Decimal(2)}


def test_what_is_bound_names_the_object_of_each_file(tmp_path: Path, focus_csv) -> None:
    a, b = (loadable(tmp_path, name, focus_csv({})) for name in "ab")
    alone, both = bound((a,)), bound((a, b))
    assert (alone["path"], alone["periods"]) == (tmp_path / "a.bytes", [SEPTEMBER])
    assert both["path"] == tmp_path / "{a.bytes,b.bytes}"
    assert (both["file_names"], both["object_names"]) == (["a.bytes", "b.bytes"], ["a", "b"])
