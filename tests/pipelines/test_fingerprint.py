"""What is current: the same inputs under the same rules and the same policy numbers, and nothing else."""

from __future__ import annotations

import pytest

from pipelines.compute import publishing


def test_other_inputs_rules_or_policy_numbers_are_not_current(monkeypatch: pytest.MonkeyPatch) -> None:
    current = publishing.fingerprint("a", 1)
    assert publishing.fingerprint("a", 1) == current
    assert publishing.fingerprint("a", 2) != current
    with monkeypatch.context() as patched:
        patched.setattr(publishing, "policy_sha256", lambda: "other numbers")
        assert publishing.fingerprint("a", 1) != current
    with monkeypatch.context() as patched:
        patched.setattr(publishing, "RULE_VERSION", "other rules")
        assert publishing.fingerprint("a", 1) != current
