"""The distribution a micro app installs: the package alone, needing opentelemetry-* alone."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
import yaml

SOURCE = Path(__file__).resolve().parents[2] / "otel"
BUILDS_WHEELS_ALONE = (70, 1)
"""Setuptools of which a wheel can be built with nothing else installed."""


def _setuptools() -> tuple[int, ...]:
    try:
        return tuple(map(int, version("setuptools").split(".")[:2]))
    except PackageNotFoundError:
        return (0,)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    source = shutil.copytree(SOURCE, folder / "otel", ignore=shutil.ignore_patterns("__pycache__"))
    has_setuptools = _setuptools() >= BUILDS_WHEELS_ALONE
    tool = (
        ["pip", "wheel", "--no-deps", "--no-build-isolation", "-w"]
        if has_setuptools
        else ["uv", "build", "--wheel", "-o"]
    )
    built = subprocess.run(
        [sys.executable, "-m", *tool, str(folder), str(source)], capture_output=True, text=True, check=False
    )
    if built.returncode and not has_setuptools:
        pytest.skip(f"no setuptools >= 70.1 here, and none could be fetched: {built.stderr[-200:]}")
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_it_holds_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    expected = {f"otel/{path.name}" for path in SOURCE.glob("*.py")} | {"otel/py.typed"}
    assert {name for name in wheel.namelist() if ".dist-info/" not in name} == expected


def test_it_needs_opentelemetry_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = Parser().parsestr(wheel.read(name).decode())
    assert metadata["Name"] == "appfleet-otel"
    needed = [re.match(r"[\w-]+", line)[0] for line in metadata.get_all("Requires-Dist")]  # type: ignore[index]
    assert needed and all(one.startswith("opentelemetry-") for one in needed)


def test_the_collectors_configuration_reads_and_its_pipelines_name_what_is_there() -> None:
    configuration = yaml.safe_load((SOURCE / "collector" / "config.yaml").read_text(encoding="utf-8"))
    for pipeline in configuration["service"]["pipelines"].values():
        for kind in ("receivers", "processors", "exporters"):
            assert set(pipeline[kind]) <= set(configuration[kind])
    assert set(configuration["service"]["extensions"]) <= set(configuration["extensions"])
