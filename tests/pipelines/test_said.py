"""What a step said holds until a later run of it does not say it, whoever runs it and of how many periods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from models.errors import LeaseHeld
from pipelines.said import Kind, Sentence, failure_kept, keep, said, sentences
from pipelines.work import Done
from sql.warehouse import Warehouse

Now = Mapping[Kind, Sequence[str]]
FULL: Now = {"refused": ("a", "b"), "held": ("h",), "note": ("n",), "failed": ()}
CASES: dict[str, tuple[Now, Now, bool, Now]] = {
    "the same": (FULL, FULL, False, FULL),
    "one is mended": (FULL, {**FULL, "refused": ("b",)}, False, {**FULL, "refused": ("b",)}),
    "all is mended": (FULL, {"refused": (), "held": (), "note": (), "failed": ()}, False, {}),
    "one kind alone was looked at": (FULL, {"refused": ("c",)}, False, {**FULL, "refused": ("c",)}),
    "some periods": (
        FULL,
        {"refused": ("c", "a"), "held": (), "note": ("m",), "failed": ()},
        True,
        {"refused": ("a", "b", "c"), "held": ("h",), "note": ("n", "m")},
    ),
    "it failed": (FULL, {"failed": ("f",)}, False, {**FULL, "failed": ("f",)}),
    "it failed once more": ({**FULL, "failed": ("f",)}, {"failed": ("g",)}, True, {**FULL, "failed": ("g",)}),
    "it failed and some periods work": (
        {**FULL, "failed": ("f",)},
        {"refused": (), "held": (), "note": (), "failed": ()},
        True,
        FULL,
    ),
    "twice in one breath": ({}, {"refused": ("a", "a")}, False, {"refused": ("a",)}),
}


def of(warehouse: Warehouse, step: str) -> list[tuple[str, str]]:
    return [(one.kind, one.text) for one in said(warehouse) if one.step == step]


@pytest.mark.parametrize("name", CASES)
def test_what_was_said_holds_until_it_is_not_said(fresh_warehouse: Warehouse, name: str) -> None:
    before, now, of_some_periods, want = CASES[name]
    keep(fresh_warehouse, name, before, said(fresh_warehouse))
    keep(fresh_warehouse, "another", {"refused": (name,)}, said(fresh_warehouse))
    keep(fresh_warehouse, name, now, said(fresh_warehouse), of_some_periods)
    assert of(fresh_warehouse, name) == [
        (kind, text) for kind in ("refused", "held", "note", "failed") for text in want.get(kind, ())
    ]
    assert of(fresh_warehouse, "another") == [("refused", name)]


def test_nothing_is_written_where_nothing_is_new(fresh_warehouse: Warehouse) -> None:
    def lines() -> int:
        found = fresh_warehouse.frame_of("SELECT count() FROM pass_sentences WHERE step = 'quiet'").item()
        return int(found)

    keep(fresh_warehouse, "quiet", {"refused": ("a",)}, [])
    assert lines() == 2
    keep(fresh_warehouse, "quiet", {"refused": ("a",)}, [Sentence("quiet", "refused", "a")])
    assert lines() == 2


def test_a_failure_is_kept_and_still_raised(fresh_warehouse: Warehouse) -> None:
    with pytest.raises(LeaseHeld), failure_kept(fresh_warehouse, "fails", []):
        raise LeaseHeld("somebody else works")
    assert of(fresh_warehouse, "fails") == [("failed", "somebody else works")]
    with failure_kept(fresh_warehouse, "works", []):
        pass
    assert of(fresh_warehouse, "works") == []


def test_what_a_step_says_is_all_that_holds() -> None:
    done = Done(
        {}, 0, 0, refused=("r",), set_aside=("s",), held=("h",), notes=("news",), standing=("news", "old")
    )
    assert sentences(done) == {
        "refused": ("r", "s"),
        "held": ("h",),
        "note": ("news", "old"),
        "failed": (),
    }
