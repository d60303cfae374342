"""The documents say what the code does: every command, key and table is in them, every link leads somewhere."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
import typer

from models.people import RIGHTS, Viewer
from models.schemas import SCHEMAS
from models.settings import (
    WELL_KNOWN,
    BillingSource,
    DagsterSettings,
    EnvironmentSettings,
    IdentityKeys,
    IntakeSettings,
    Ports,
    ReportingSettings,
    ServerWarehouse,
    Settings,
    SignIn,
    StatementSettings,
)
from models.statement_csv import COLUMNS
from models.tag_rules import TagRules
from pipelines.commands import doctor
from pipelines.commands.cli import app
from pipelines.steps import STEPS
from sql.catalog import statement, statements
from sql.forms import SINGLE_NODE, filled

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = sorted([ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("*/README.md")])
COMMANDS = {
    name: {option for parameter in command.params for option in parameter.opts}
    for name, command in typer.main.get_command(app).commands.items()  # type: ignore[attr-defined]
}
PICTURE_BYTES = 250_000
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _document(name: str) -> str:
    """Text of a document of ``docs/``."""
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def _code(document: str) -> str:
    """Shell blocks and words between backticks."""
    blocks = [text for language, text in FENCE.findall(document) if language in ("sh", "console")]
    inline = re.findall(r"`([^`\n]+)`", FENCE.sub("", document))
    return "\n".join([*blocks, *inline])


def _anchors(document: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_in_the_table(name: str) -> None:
    rows = [line for line in _document("commands").splitlines() if line.startswith(f"| `appfleet {name}")]
    assert len(rows) == 1, name
    for option in COMMANDS[name] - {"--workspace", "-w", "--help"}:
        if option.startswith("--"):
            assert option in rows[0], option


def test_every_step_is_in_the_table() -> None:
    for step in STEPS:
        assert f"`{step}`" in _document("commands")


def test_each_default_is_the_one_that_is_told() -> None:
    kinds: dict[str, object] = {
        "identity": IdentityKeys(),
        "viewer": Viewer(),
        "ports": Ports(),
        "intake": IntakeSettings(),
        "dagster": DagsterSettings(),
    }
    kinds["sign_in"] = SignIn("https://x" + WELL_KNOWN, "c", "https://x")
    told = re.findall(r"^\| `(\w+)\.(\w+)` \| `([^`]*)` \|", _document("workspace"), re.MULTILINE)
    compared = []
    for kind, key, default in told:
        if kind in kinds:
            found = getattr(kinds[kind], key)
            words = (
                f"[{', '.join(map(str, found))}]"
                if isinstance(found, (tuple, list, frozenset))
                else str(found)
            )
            assert words == default, f"{kind}.{key}"
            compared.append(kind)
    assert set(compared) == set(kinds)


def test_every_key_of_the_settings_is_in_the_table() -> None:
    section = _document("workspace")
    keys = {
        "warehouse",
        "catalog",
        "teams",
        "people",
        "budgets",
        "rules",
        "objectives",
        "burn_windows",
        "redact",
        "sources.billing",
        "sources.telemetry",
    }
    nested = {
        "identity": IdentityKeys,
        "attribution": TagRules,
        "viewer": Viewer,
        "ports": Ports,
        "intake": IntakeSettings,
        "dagster": DagsterSettings,
        "environments": EnvironmentSettings,
        "warehouse": ServerWarehouse,
        "sign_in": SignIn,
        "statements": StatementSettings,
        "reporting": ReportingSettings,
    }
    for key, kind in nested.items():
        keys |= {f"{key}.{field.name}" for field in dataclasses.fields(kind)}
    keys |= {field.name for field in dataclasses.fields(BillingSource)}
    missing = sorted(key for key in keys if not re.search(rf"^\| `{re.escape(key)}`", section, re.MULTILINE))
    assert not missing
    assert {field.name for field in dataclasses.fields(Settings)} - {"root"} <= {
        *nested,
        "billing",
        "telemetry",
        "catalog",
        "teams",
        "people",
        "budgets",
        "rules",
        "objectives",
        "burn_windows",
        "redact",
        "retention",
    }


def test_every_right_is_explained() -> None:
    section = _document("workspace")
    assert not sorted(right for right in RIGHTS if f"`{right}`" not in section)


def test_every_default_port_is_documented() -> None:
    section = _document("workspace")
    for field in dataclasses.fields(Ports):
        assert f"| `ports.{field.name}` | `{field.default}` |" in section


def test_every_current_view_is_in_the_list_of_tables() -> None:
    section = _document("tables")
    text = filled("\n".join(statement(name) for name in statements("migrations")), SINGLE_NODE)
    views = set(re.findall(r"VIEW (\S+_current) AS", text))
    assert len(views) > 15
    assert not sorted(view for view in views if f"`{view}`" not in section)


@pytest.mark.parametrize("table", SCHEMAS)
def test_every_column_of_a_computed_table_is_listed(table: str) -> None:
    row = next(line for line in _document("tables").splitlines() if line.startswith(f"| `{table}_current`"))
    pivoted = [f"burn_rate_{window}" for window in ("5m", "30m", "1h", "2h", "6h", "1d", "3d")]
    columns = [
        *SCHEMAS[table],
        *(pivoted if table == "mart_slo_status" else []),
    ]  # from the windows of mart_slo_burn
    assert row.split("|")[3].strip() == ", ".join(f"`{column}`" for column in columns)


def test_every_column_of_the_statement_is_listed() -> None:
    assert ", ".join(f"`{column}`" for column in COLUMNS) in _document("tables").replace(",\n", ", ")


def test_every_check_of_the_doctor_is_described() -> None:
    operations = _document("operations")
    assert not sorted(check for check in doctor.CHECKS if f"| {check} |" not in operations)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path) -> None:
    document = path.read_text(encoding="utf-8")
    for target in LINK.findall(FENCE.sub("", document)):
        if "://" in target:
            continue
        name, _, anchor = unquote(target).partition("#")
        file = path.parent / name if name else path
        assert file.exists(), f"{path.name}: {target}"
        if anchor:
            assert anchor in _anchors(file.read_text(encoding="utf-8")), f"{path.name}: {target}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_named_exists(path: Path) -> None:
    code = _code(path.read_text(encoding="utf-8"))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for target in re.findall(
        r"(?:^|(?<!appfleet tokens)[ $])make (?:[A-Z]+=\S+ )*([a-z-]+)", code, re.MULTILINE
    ):
        assert target in targets, f"make {target}"
    for name, rest in re.findall(r"(?:^|[ $(`])appfleet ([a-z]+)\b([^\n]*)", code, re.MULTILINE):
        assert name in COMMANDS, f"appfleet {name}"
        for option in re.findall(r"(?<!\S)(--[a-z-]+)", re.sub(r'"[^"]*"', "", rest)):
            assert option in COMMANDS[name], f"appfleet {name} {option}"


def test_an_own_bill_stands_within_the_first_screen_after_the_two_commands() -> None:
    lines = README.splitlines()
    assert 0 < lines.index("## Your own bill") - lines.index("## Two commands") < 20
    for document in DOCUMENTS:
        name = document.relative_to(ROOT).as_posix()
        assert name == "README.md" or f"({name})" in README, f"{name} is not named in the README"


def test_each_page_has_a_picture_of_modest_size() -> None:
    pictures = re.findall(r"!\[[^\]]*\]\((docs/screenshots/[^)]+\.png)\)", README)
    assert [Path(one).stem for one in pictures] == ["fleet", "app", "team", "on-call", "anomalies", "finance"]
    for one in [*pictures, "docs/data-way.svg"]:
        assert (ROOT / one).stat().st_size < PICTURE_BYTES


def test_the_documents_name_no_machine() -> None:
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"/(?:work|home|root|tmp|Users)/", text), path.name
        assert all(ord(character) < 0x2600 for character in text), f"{path.name}: no pictographs"
