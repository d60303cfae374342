"""What is current: the same inputs under the same rules and the same policy numbers, and nothing else."""

from __future__ import annotations

import pytest

from pipelines import compute


def test_other_inputs_rules_or_policy_numbers_are_not_current(monkeypatch: pytest.MonkeyPatch) -> None:
    current = compute.fingerprint("a", 1)
    assert compute.fingerprint("a", 1) == current
    assert compute.fingerprint("a", 2) != current
    with monkeypatch.context() as patched:
        patched.setattr(compute, "policy_sha256", lambda: "other numbers")
        assert compute.fingerprint("a", 1) != current
    with monkeypatch.context() as patched:
        patched.setattr(compute, "RULE_VERSION", "other rules")
        assert compute.fingerprint("a", 1) != current
