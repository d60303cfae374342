"""What is current: the same inputs by the same policies, columns, SQL and code, and nothing else."""

from __future__ import annotations

import pytest

from pipelines.compute import publishing, rules


def test_other_inputs_or_rules_are_not_current(monkeypatch: pytest.MonkeyPatch) -> None:
    current = publishing.fingerprint("a", 1)
    assert publishing.fingerprint("a", 1) == current
    assert publishing.fingerprint("a", 2) != current
    monkeypatch.setattr(publishing, "rules_sha256", lambda: "other rules")
    assert publishing.fingerprint("a", 1) != current


def test_whatever_decides_an_answer_is_part_of_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy number, a column, a filter in a statement, a migration, a line of a model: each makes old answers stale."""
    rules_of = rules.rules_sha256.__wrapped__
    current = rules_of()
    assert rules_of() == current

    def changed(name: str, patch: object) -> bool:
        with monkeypatch.context() as patched:
            patched.setattr(rules, name, patch)
            return bool(rules_of() != current)

    assert changed("policy_sha256", lambda: "other numbers")
    lines = rules.SCHEMAS["mart_chargeback_lines"]
    wider = {**rules.SCHEMAS, "mart_chargeback_lines": {**lines, "gl_account": lines["team"]}}
    assert changed("SCHEMAS", wider)
    read = rules.statement
    for name, counts in (
        ("statements/core_app_costs_daily", True),
        ("queries/chargeback/costs", True),
        ("migrations/0004_core_and_marts", True),
        ("queries/finance/lines", False),
    ):
        other = lambda one, name=name: read(one) + (" AND 1" if one == name else "")  # noqa: E731
        assert changed("statement", other) is counts, name
        commented = lambda one, name=name: read(one) + ("\n-- a word" if one == name else "")  # noqa: E731
        assert not changed("statement", commented)
    modules = rules._modules
    for module, counts in (
        ("models.chargeback.py", True),
        ("pipelines.compute.costs.py", True),
        ("no.py", False),
    ):

        def more(folder, prefix, module=module, line="\nX = 1"):  # type: ignore[no-untyped-def]
            return [(one, text + (line if one == module else "")) for one, text in modules(folder, prefix)]

        assert changed("_modules", more) is counts, module
        assert not changed("_modules", lambda *a, more=more: more(*a, line="\n# a word"))
    assert rules._deciding('"""a"""\ndef f():\n    """b"""\n    return 1  # c\n') == rules._deciding(
        "def f():\n    return 1\n"
    )
    assert rules._deciding("x = 1\n") != rules._deciding("x = 2\n")
