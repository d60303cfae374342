"""Playbooks on the pages: each team's own, in the state a hand count has them in, decided by who has the right and may see them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboards import access, playbooks
from dashboards.access import Identity, Looker
from dashboards.queries import reads_of
from models.errors import NotAdmitted
from models.people import ACT_ON_ALERTS, APPROVE_ACTIONS, SEE_ALL_TEAMS, SEE_WHOLE_BILLS, Viewer
from tests.dashboards.conftest import Run

ONA = Viewer("Ona", rights=(SEE_ALL_TEAMS, SEE_WHOLE_BILLS, APPROVE_ACTIONS))
LEE = Viewer("Lee", ("payments",), (APPROVE_ACTIONS,))
OWN = {"act-1": "Waits for a person", "act-2": "Marked"}
STATES = {**OWN, "act-3": "Waits for a person", "act-4": "Declined", "act-5": "Dry run", "act-7": "Held back"}
"""Action -> its state; of the alert that ended there is none."""


def test_the_page_shows_what_waits_and_marks_and_each_team_its_own(run: Run, full_workspace: Path) -> None:
    def seen(viewer: Viewer) -> dict[str, str]:
        found = playbooks.actions_of_teams(reads_of(full_workspace, viewer))
        return {one.last.action_id: word for one, word in found}

    def marks(viewer: Viewer, app: str) -> list[str]:
        return reads_of(full_workspace, viewer).frame("app/marks", app_id=app)["note"].to_list()

    assert seen(ONA) == STATES and seen(LEE) == OWN
    assert list(seen(ONA))[:2] == ["act-1", "act-3"], "what waits stands first"
    assert seen(Viewer("Ned", ("people",))) == {"act-7": "Held back"} and "act-5" not in seen(
        Viewer("Sue", ("logistics",))
    )
    assert marks(ONA, "checkout") == marks(LEE, "checkout") == ["of checkout <b>"]
    for none in ("customs-forms", "depot-map", "' OR 1=1 --"):
        assert marks(ONA, none) == [], "taken off, ended, and none"
    assert marks(Viewer("Sue", ("logistics",)), "checkout") == []

    page = run(full_workspace, "oncall")
    [table] = [one.value for one in page.dataframe if "Playbook" in one.value.columns]
    assert set(table["Action"]) == set(STATES)
    assert "2 actions below wait for" in " ".join(one.value for one in page.warning)
    app = run(full_workspace, "one_app", app="checkout")
    assert [one.value for one in app.warning if "Marked by playbook" in one.value]


def test_who_may_decides_on_what_they_see(full_workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[list[str], str]] = []
    monkeypatch.setattr(
        playbooks, "run_command", lambda _, words, by: asked.append((words, by)) or (True, "")
    )
    monkeypatch.setattr(Looker, "check", lambda _: None)

    def answers(viewer: Viewer, key: str, word: str = "approve") -> None:
        monkeypatch.setattr(access, "looking", lambda: Looker(full_workspace, Identity(), viewer))
        playbooks.answer(reads_of(full_workspace, viewer), key, word, "why")

    with pytest.raises(NotAdmitted, match=APPROVE_ACTIONS):
        answers(Viewer("Eve", ("payments",), (ACT_ON_ALERTS,)), "act-1")
    for of_others in ("act-3", "act-5", "act-6", ""):
        with pytest.raises(NotAdmitted, match="no such action"):
            answers(LEE, of_others)
    assert asked == []
    answers(LEE, "act-1")
    answers(ONA, "act-3", "decline")
    assert asked == [
        (["playbooks", "approve", "act-1", "--reason=why"], "Lee"),
        (["playbooks", "decline", "act-3", "--reason=why"], "Ona"),
    ]
