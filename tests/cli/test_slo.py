"""`appfleet slo validate` and `export`: what they print and end with."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import appfleet
from tests.pipelines.test_objectives import slo_text


def test_a_folder_is_judged_as_one_and_ends_with_1_for_a_mistake(tmp_path: Path) -> None:
    sound = tmp_path / "sound.yaml"
    sound.write_text(slo_text("one", "checkout", "0.999"), encoding="utf-8")
    said = appfleet(None, "slo", "validate", str(sound))
    assert "1 file(s), 1 object(s) without a mistake, 0 mistake(s)." in said.out
    minute = slo_text("two", "checkout", "0.999", "{duration: 1m, isRolling: true}")
    (tmp_path / "minute.yaml").write_text(minute, encoding="utf-8")
    said = appfleet(None, "slo", "validate", str(tmp_path))
    assert "spec.timeWindow[0].duration is 1m, which is a minute; 1M is months" in said.out
    assert "has a window of 1m; it must be whole days" in said.out
    (tmp_path / "broken.yaml").write_text(slo_text("three", "checkout", "100") + "  x: [", encoding="utf-8")
    (tmp_path / "target.yaml").write_text(slo_text("four", "checkout", "1.0"), encoding="utf-8")
    said = appfleet(None, "slo", "validate", str(tmp_path), code=1)
    assert "broken.yaml, line 15: this is not YAML" in said.out
    assert "target.yaml, line 13: spec.objectives[0].target is 1.0: nothing may ever fail" in said.out
    assert "4 file(s), 2 object(s) without a mistake, 2 mistake(s)." in said.out
    nothing = appfleet(None, "slo", "validate", str(tmp_path / "nothing"), code=2)
    assert "there is no YAML file to look at" in nothing.err
    assert "name a file or folder of OpenSLO" in appfleet(None, "slo", "validate", code=2).err
