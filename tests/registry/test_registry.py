"""The registry from real and written files: apps, owners, teams, and every mistake as one sentence."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from models.errors import ConfigurationError
from models.policy import slo_tiers
from models.registry import CRITICALITIES
from models.schemas import SCHEMAS
from models.settings import Settings
from pipelines.compute import registry
from pipelines.ingest.registry import Registry, load_registry
from sql.publish import WHOLE_TABLE, heads, publish, withdraw
from sql.warehouse import Warehouse

BEGINS, ENDS = datetime(1970, 1, 1, tzinfo=UTC), datetime(2149, 6, 6, tzinfo=UTC)
"""What holds without a beginning and an end."""

TEAMS = """\
teams:
  - team: Web
    lead: Ada
    cost_center: "0012"
    members: [Ada, Grace]
  - name: jobs
    cost_center: 4711
"""

SHOP = """\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: " Shop "
  title: The shop
  annotations:
    appfleet.io/resource-ids: arn:aws:lambda:eu-west-1:1:function:shop, /subscriptions/1/the shop
    appfleet.io/account: 012345678901
    appfleet.io/name-pattern: "shop-*"
    appfleet.io/valid-from: 2026-01-15
    backstage.io/techdocs-ref: dir:.
spec:
  type: service
  lifecycle: production
  owner: group:default/web
  system: system:default/selling
"""


def component(name: str, more: str = "", owner: str = "web") -> str:
    return (
        f"apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: {name}\n{more}"
        f"spec:\n  type: service\n  owner: {owner}\n"
    )


def load(
    root: Path, catalog: str | dict[str, str], teams: str | None = TEAMS, location: str = "catalog"
) -> Registry:
    """The registry of a workspace with these files; ``catalog`` is one file or files below ``catalog/``."""
    files = {"one.yaml": catalog} if isinstance(catalog, str) else catalog
    for name, text in files.items():
        path = root / "catalog" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    if teams is not None:
        (root / "teams.yaml").write_text(teams, encoding="utf-8")
    return load_registry(Settings(root=root, catalog=root / location, teams=root / "teams.yaml"))


def test_a_component_becomes_an_app_with_its_team(tmp_path: Path) -> None:
    registry = load(tmp_path, SHOP)
    assert registry.problems == []
    assert registry.apps.schema == SCHEMAS["core_apps"]
    [app] = registry.apps.to_dicts()
    patterns = dict(app.pop("patterns"))
    assert patterns == {"account": "012345678901", "name": "shop-*"}
    assert dict(app.pop("tags")) == {}
    assert app == {
        "app_id": "shop",
        "valid_from": date(2026, 1, 15),
        "valid_to": date(2149, 6, 6),
        "holds_from": datetime(2026, 1, 15, tzinfo=UTC),
        "holds_to": ENDS,
        "app_name": "The shop",
        "team": "Web",
        "system": "selling",
        "lifecycle": "production",
        "criticality": "",
        "lead": "Ada",
        "cost_center": "0012",
        "resource_ids": ["arn:aws:lambda:eu-west-1:1:function:shop", "/subscriptions/1/the shop"],
        "source": "catalog/one.yaml, document 1",
    }
    assert registry.teams.schema == SCHEMAS["core_teams"]
    assert registry.teams.rows() == [
        ("Web", "Ada", "0012", ["Ada", "Grace"], BEGINS, ENDS),
        ("jobs", "", "4711", [], BEGINS, ENDS),
    ]


def test_labels_tags_and_criticality_are_kept_and_what_cannot_be_read_costs_no_app(tmp_path: Path) -> None:
    def told(more: str) -> tuple[Registry, dict[str, Any]]:
        text = component("shop").replace("metadata:", f"metadata:{more}", 1)
        registry = load(tmp_path, text)
        [app] = registry.apps.to_dicts()
        return registry, {**app, "tags": dict(app["tags"])}

    registry, app = told(
        "\n  labels: {Tier: gold, zone: a}\n  tags: [java, 'tier:silver', ' Env : prod']"
        "\n  annotations: {appfleet.io/criticality: High}"
    )
    assert registry.problems == []
    assert app["criticality"] == "high"
    assert app["tags"] == {"tier": "gold", "zone": "a", "java": "true", "env": "prod"}
    registry, app = told("\n  tags: java\n  annotations: {appfleet.io/criticality: urgent}")
    assert (app["app_id"], app["criticality"], app["tags"]) == ("shop", "", {})
    [wrong, tags] = registry.problems
    assert wrong.endswith(
        "criticality is 'urgent'; it can be critical, high, medium, low, and shop has none until it is corrected"
    )
    assert "metadata.tags must be a list" in tags


def test_the_real_catalogue_loads(shared_data: Path, tmp_path: Path) -> None:
    catalog = shared_data / "catalog" / "backstage-demo-catalog-info.yaml"
    registry = load_registry(Settings(root=tmp_path, catalog=catalog, teams=tmp_path / "teams.yaml"))
    assert registry.problems == []
    told = registry.apps.select(
        "app_id", "app_name", "team", "system", "lifecycle", "lead", "cost_center"
    ).rows()
    assert told == [("backstage-demo", "backstage-demo", "maintainers", "", "experimental", "", "")]
    assert registry.apps["resource_ids"].to_list() == [[]]
    assert registry.teams.is_empty()


def test_nothing_there_is_an_empty_registry(tmp_path: Path) -> None:
    registry = load_registry(
        Settings(root=tmp_path, catalog=tmp_path / "none", teams=tmp_path / "teams.yaml")
    )
    assert (registry.apps.height, registry.teams.height, registry.problems) == (0, 0, [])
    assert registry.apps.schema == SCHEMAS["core_apps"]


def test_a_folder_is_searched_and_other_kinds_are_passed_over(tmp_path: Path) -> None:
    files = {
        "b.yml": component("b") + "---\n---\n" + component("c"),
        "deep/er/a.yaml": component("a"),
        "api.yaml": component("x").replace("kind: Component", "kind: API"),
        "slo.yaml": "apiVersion: openslo/v1\nkind: SLO\n",
        "notes.txt": "not: yaml: at all",
    }
    registry = load(tmp_path, files)
    assert registry.problems == []
    assert registry.apps["app_id"].to_list() == ["a", "b", "c"]
    assert registry.apps["source"].to_list()[2] == "catalog/b.yml, document 3"


@pytest.mark.parametrize(
    ("location", "apps"),
    [("catalog/a.yaml", ["a"]), ("catalog/*.yaml", ["a", "b"]), ("catalog/**/*.yaml", ["a", "b", "c"])],
)
def test_a_catalogue_is_a_file_or_a_glob_too(tmp_path: Path, location: str, apps: list[str]) -> None:
    files = {f"{name}.yaml": component(Path(name).name) for name in ("a", "b", "deep/c")}
    assert load(tmp_path, files, location=location).apps["app_id"].to_list() == apps


@pytest.mark.parametrize(
    ("owner", "team"),
    [
        ("web", "Web"),
        ("WEB", "Web"),
        ("group:web", "Web"),
        ("group:default/web", "Web"),
        ("backstage/web", "Web"),
        ("''", "unassigned"),
    ],
)
def test_owner_references(tmp_path: Path, owner: str, team: str) -> None:
    [app] = load(tmp_path, component("a", owner=owner)).apps.to_dicts()
    assert app["team"] == team


def test_an_owner_that_is_no_listed_team_is_told_once(tmp_path: Path) -> None:
    registry = load(
        tmp_path, component("a", owner="ops") + "---\n" + component("b", owner="group:default/ops")
    )
    assert registry.apps["team"].to_list() == ["ops", "ops"]
    assert registry.problems == [
        "catalog/one.yaml, line 1: spec.owner names team ops, which teams.yaml does not list; its lead and cost centre are unknown"
    ]


def test_a_person_is_no_team(tmp_path: Path) -> None:
    registry = load(tmp_path, component("a", owner="user:default/jane"))
    assert registry.apps["team"].to_list() == ["unassigned"]
    assert registry.problems == [
        "catalog/one.yaml, line 7: spec.owner is a person, jane; name the team that owns a"
    ]


def test_of_two_documents_for_one_app_the_first_counts(tmp_path: Path) -> None:
    files = {"b.yaml": component("A", "  title: second\n"), "a.yaml": component("a", "  title: first\n")}
    registry = load(tmp_path, files)
    assert registry.apps["app_name"].to_list() == ["first"]
    assert registry.problems == [
        "catalog/b.yaml, line 1: app a is described before, in catalog/a.yaml, document 1; that one counts, remove one"
    ]


def dated(owner: str, since: str = "", until: str = "", name: str = "a") -> str:
    """A document of an app that one team owns for a time."""
    dates = {"valid-from": since, "valid-to": until}
    lines = "".join(f"    appfleet.io/{key}: {text}\n" for key, text in dates.items() if text)
    return component(name, f"  annotations:\n{lines}" if lines else "", owner)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("documents", "lines"),
    [
        # by an instant, whichever document comes first; an offset counts
        ((dated("jobs", "2026-01-10T15:00:00+01:00"), dated("web")),
         [("Web", BEGINS, at("2026-01-10T14:00:00Z")), ("jobs", at("2026-01-10T14:00:00Z"), ENDS)]),
        # by a day, which begins at midnight; three owners in turn
        ((dated("web", "2026-01-10"), dated("jobs", "2026-02-01"), dated("web", "2026-02-02")),
         [("Web", at("2026-01-10T00:00Z"), at("2026-02-01T00:00Z")), ("jobs", at("2026-02-01T00:00Z"), at("2026-02-02T00:00Z")),
          ("Web", at("2026-02-02T00:00Z"), ENDS)]),
        # nobody's between an end and the next beginning
        ((dated("web", until="2026-01-10"), dated("jobs", "2026-02-01")),
         [("Web", BEGINS, at("2026-01-10T00:00Z")), ("jobs", at("2026-02-01T00:00Z"), ENDS)]),
        # the same team twice at one time is one team
        ((dated("web", until="2026-03-01"), dated("web", "2026-02-01")),
         [("Web", BEGINS, at("2026-02-01T00:00Z")), ("Web", at("2026-02-01T00:00Z"), ENDS)]),
    ],
)  # fmt: skip
def test_an_app_has_one_owner_after_another(
    tmp_path: Path, documents: tuple[str, ...], lines: list[tuple[str, datetime, datetime]]
) -> None:
    registry = load(tmp_path, "---\n".join(documents))
    assert registry.problems == []
    assert registry.apps.select("team", "holds_from", "holds_to").rows() == lines
    assert registry.apps.select("valid_from", "valid_to").rows() == [
        (a.date(), b.date()) for _, a, b in lines
    ]


@pytest.mark.parametrize(
    "documents",
    [
        (dated("web"), dated("jobs")),
        (dated("web", "2026-01-10"), dated("jobs", "2026-01-10T00:00:00Z")),
        (dated("web", until="2026-03-01"), dated("jobs", "2026-02-28T23:59:59Z")),
    ],
)
def test_an_app_in_two_teams_at_one_time_is_refused(tmp_path: Path, documents: tuple[str, str]) -> None:
    """One sentence that names both documents, whichever is read first."""
    for number, (first, second) in enumerate((documents, documents[::-1])):
        root = tmp_path / str(number)
        with pytest.raises(ConfigurationError) as raised:
            load(root, {"a.yaml": first, "b.yaml": second})
        sentence = str(raised.value)
        assert "an app has one team at a time" in sentence and "app a is of team" in sentence
        assert {"catalog/a.yaml", "catalog/b.yaml"} <= {part.strip(",:") for part in sentence.split()}
        assert "\n" not in sentence


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (dated("web", "2026-01-10T14:00:00"), "valid-from is '2026-01-10T14:00:00'; it must be a day"),
        (dated("web", until="1969-12-31"), "valid-to is '1969-12-31'; it must be a day"),
        (
            dated("web", "2026-01-10", "2026-01-10"),
            "valid-to is '2026-01-10', which is not after its valid-from",
        ),
    ],
)
def test_a_time_that_cannot_be_one_sets_the_document_aside(
    tmp_path: Path, document: str, problem: str
) -> None:
    registry = load(tmp_path, document)
    assert registry.apps.is_empty()
    [sentence] = registry.problems
    assert problem in sentence


def test_a_team_changes_its_cost_centre(tmp_path: Path) -> None:
    teams = (
        "teams:\n  - {team: Web, cost_center: '0013', valid_from: 2026-01-10T14:00:00Z}\n"
        "  - {team: web, cost_center: '0012', lead: Ada}\n"
    )
    registry = load(tmp_path, component("a"), teams)
    turn = at("2026-01-10T14:00:00Z")
    assert registry.teams.select("team", "cost_center", "holds_from", "holds_to").rows() == [
        ("web", "0012", BEGINS, turn),
        ("web", "0013", turn, ENDS),
    ]
    with pytest.raises(ConfigurationError, match=r"teams\[0\]\.valid_from is 'soon'; it must be a day"):
        load(tmp_path, component("a"), "teams:\n  - {team: web, valid_from: soon}\n")


def test_an_annotation_names_the_app(tmp_path: Path) -> None:
    registry = load(tmp_path, component("a", "  annotations:\n    appfleet.io/app-id: Other\n"))
    assert registry.apps.select("app_id", "app_name").rows() == [("other", "a")]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            component("a").replace("apiVersion", "apiversion"),
            "line 1: apiVersion is missing, so this is no Backstage",
        ),
        (component("a").replace("  name: a\n", "  title: a\n"), "line 4: metadata.name is missing"),
        (component("[a]"), "line 4: metadata.name must be a single value"),
        (component("12"), "line 4: metadata.name must be text"),
        (component("''"), "line 4: metadata.name is empty"),
        (component("a", "  name: b\n"), "line 5: metadata.name is given twice"),
        (component("a", "  annotations: []\n"), "line 5: metadata.annotations must be a mapping"),
        (component("a", owner="[web]"), "line 7: spec.owner must be a single value"),
        (component("a", owner="a:b:c"), "line 7: spec.owner is 'a:b:c'; it must read name"),
        (
            component("a", "  annotations: {appfleet.io/valid-from: soon}\n"),
            "valid-from is 'soon'; it must be a day",
        ),
        (
            "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: a}\n",
            "line 1: spec is missing",
        ),
        ("- a\n", "line 1: the document must be a mapping"),
    ],
)
def test_a_bad_document_is_set_aside_and_the_rest_loads(tmp_path: Path, text: str, problem: str) -> None:
    registry = load(tmp_path, {"bad.yaml": text, "good.yaml": component("good")})
    assert registry.apps["app_id"].to_list() == ["good"]
    [sentence] = registry.problems
    assert sentence.startswith("catalog/bad.yaml, line ")
    assert problem in sentence
    assert sentence.endswith("the document is set aside")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a: [1\n", "catalog/bad.yaml, line 2: this is not YAML"),
        (b"a: !!python/object/apply:os.system [x]\n", "catalog/bad.yaml, line 1: apiVersion is missing"),
        (b"a: \xff\n", "catalog/bad.yaml, byte 3: this is not UTF-8 text"),
        (b"[" * 100_000, "catalog/bad.yaml"),
    ],
)
def test_a_bad_file_is_set_aside_and_the_rest_loads(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "catalog").mkdir()
    (tmp_path / "catalog" / "bad.yaml").write_bytes(content)
    registry = load(tmp_path, {"good.yaml": component("good")})
    assert registry.apps["app_id"].to_list() == ["good"]
    [sentence] = registry.problems
    assert sentence.startswith(problem)
    assert sentence.endswith("is set aside")


def test_a_misspelt_annotation_is_named_and_harms_nothing(tmp_path: Path) -> None:
    registry = load(tmp_path, component("a", "  annotations:\n    appfleet.io/acount: 1\n"))
    assert registry.apps["app_id"].to_list() == ["a"]
    assert registry.problems == [
        "catalog/one.yaml, line 6: metadata.annotations.appfleet.io/acount is not an annotation of appfleet; known: "
        "appfleet.io/app-id, appfleet.io/resource-ids, appfleet.io/valid-from, appfleet.io/valid-to, "
        "appfleet.io/criticality, appfleet.io/account, "
        "appfleet.io/project, appfleet.io/resource-group, appfleet.io/name-pattern"
    ]


@pytest.mark.parametrize(
    ("teams", "sentence"),
    [
        (
            "teams:\n  - team: web\n    cost_center: 0012\n",
            'teams.yaml, line 3: teams[0].cost_center is 0012, which YAML reads as a number; write "0012" in quotes to keep it',
        ),
        (
            "teams:\n  - team: web\n    cost_center: 1e3\n  - team: ops\n    cost_center: 12.10\n",
            'teams.yaml, line 5: teams[1].cost_center is 12.10, which YAML reads as a number; write "12.10" in quotes to keep it',
        ),
        ("teams:\n  - team: web\n    cost: x\n", "teams.yaml, line 3: teams[0].cost is not a known key; known here: cost_center, lead, members, name, team, valid_from"),
        ("team:\n  - team: web\n", "teams.yaml, line 1: team is not a known key; known here: teams"),
        ("teams: web\n", "teams.yaml, line 1: teams must be a list"),
        ("teams:\n  - lead: Ada\n", "teams.yaml, line 2: teams[0].team is missing"),
        ("teams:\n  - team: web\n    name: web\n", "teams.yaml, line 2: teams[0].name stands beside team, which means the same; keep one"),
        ("teams:\n  - team: no\n", "teams.yaml, line 2: teams[0].team must be text"),
        ("teams:\n  - team: web\n    members: Ada\n", "teams.yaml, line 3: teams[0].members must be a list"),
        ("teams:\n  - team: web\n  - team: Web\n", "teams.yaml, line 3: teams[1].team is 'Web', which is listed before; remove one of them"),
        ("teams: []\n---\nteams: []\n", "teams.yaml holds 2 documents; write all teams into one"),
    ],
)  # fmt: skip
def test_a_mistake_in_teams_is_one_sentence(tmp_path: Path, teams: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load(tmp_path, SHOP, teams)
    assert str(raised.value) == sentence


@pytest.mark.parametrize("teams", ["", "teams:\n", "# nobody yet\n", "teams: []\n"])
def test_teams_may_be_empty(tmp_path: Path, teams: str) -> None:
    assert load(tmp_path, SHOP, teams).teams.is_empty()


def test_a_fleet_loads_in_time_and_fits_its_tables(tmp_path: Path, fresh_warehouse: Warehouse) -> None:
    annotations = (
        "  annotations:\n    appfleet.io/resource-ids: arn:{0}, arn:{0}:b\n    appfleet.io/project: p-{0}\n"
    )
    files = {
        f"team-{team}.yaml": "---\n".join(
            component(f"app-{team}-{n}", annotations.format(n)) for n in range(42)
        )
        for team in range(100)
    }
    started = time.process_time()
    registry = load(tmp_path, files)
    assert time.process_time() - started < 10  # 1.5 s alone; other processes do not count
    assert registry.apps.height == 4_200

    warehouse = fresh_warehouse
    batch = uuid.uuid4()
    tables = {"core_apps": registry.apps, "core_teams": registry.teams}
    for table, frame in tables.items():
        warehouse.insert(table, frame.with_columns(batch_id=pl.lit(str(batch))))
    publish(
        warehouse,
        "registry",
        WHOLE_TABLE,
        batches=dict.fromkeys(tables, batch),
        rows=4_202,
        sha256="",
        version=datetime(2026, 1, 1, tzinfo=UTC),
    )
    text = "SELECT * REPLACE (toString(team) AS team, toString(system) AS system, toString(lifecycle) AS lifecycle, toString(cost_center) AS cost_center) FROM core_apps_current ORDER BY app_id"
    assert warehouse.frame_of(text).equals(registry.apps)
    assert (
        warehouse.frame_of("SELECT * FROM core_teams_current ORDER BY team").rows() == registry.teams.rows()
    )


def test_what_files_came_to_is_remembered_and_their_problems_are_said_again(
    tmp_path: Path, fresh_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are read again when a byte, a name or the release is another, and when nothing is remembered."""
    load(tmp_path, {"a.yaml": component("a"), "bad.yaml": "kind: [", "c.yaml": component("c")})
    settings = Settings(root=tmp_path, catalog=tmp_path / "catalog", teams=tmp_path / "teams.yaml")
    read: list[Settings] = []

    def counted(settings: Settings) -> Registry:
        read.append(settings)
        return load_registry(settings)

    monkeypatch.setattr(registry, "load_registry", counted)

    def computed() -> tuple[int, int, int]:
        """Files read, releases made, and problems said."""
        read.clear()
        outcome = registry.compute_registry(fresh_warehouse, settings)
        return len(read), len(outcome.releases), len(outcome.notes)

    assert computed() == (1, 1, 1)
    assert computed() == (0, 0, 1)
    first = registry.compute_registry(fresh_warehouse, settings).notes
    assert len(first) == 1 and "bad.yaml" in first[0]
    (tmp_path / "catalog" / "a.yaml").write_text(component("a") + "# more\n")
    assert computed() == (1, 0, 1), "the same apps"
    assert computed() == (0, 0, 1)
    (tmp_path / "catalog" / "a.yaml").rename(tmp_path / "catalog" / "b.yaml")
    assert computed()[0] == 1
    (tmp_path / "teams.yaml").write_text(TEAMS.replace("4711", "4712"))
    assert computed() == (1, 1, 1)
    remembered = tmp_path / ".appfleet" / "registry.json"
    for text in ("", "[]", '{"given": 1}', "{"):
        remembered.write_text(text)
        assert computed() == (1, 0, 1), text
    assert computed() == (0, 0, 1)
    (release,) = heads(fresh_warehouse, "registry")
    withdraw(fresh_warehouse, release)
    assert computed() == (1, 1, 1)
    (tmp_path / "catalog" / "bad.yaml").unlink()
    assert computed() == (1, 0, 0)
    assert computed() == (0, 0, 0)
    (tmp_path / "teams.yaml").unlink()
    assert computed()[0] == 1
    (tmp_path / "teams.yaml").write_text(TEAMS)

    def changed_meanwhile(settings: Settings) -> Registry:
        (tmp_path / "catalog" / "c.yaml").write_text(component("c", owner="jobs"))
        return counted(settings)

    monkeypatch.setattr(registry, "load_registry", changed_meanwhile)
    assert computed()[0] == 1
    monkeypatch.setattr(registry, "load_registry", counted)
    (tmp_path / "catalog" / "c.yaml").write_text(component("c"))
    assert computed() == (1, 1, 0), "as it was before it was read"


def test_how_critical_an_app_is_is_one_of_four_words(tmp_path: Path) -> None:
    told = load(tmp_path, component("a", "  annotations:\n    appfleet.io/criticality: High\n"))
    assert (told.apps["criticality"].to_list(), told.problems) == (["high"], [])
    other = load(tmp_path, component("a", "  annotations:\n    appfleet.io/criticality: tier-1\n"))
    assert other.apps["criticality"].to_list() == [""]
    assert other.problems == [
        "catalog/one.yaml, line 6: metadata.annotations.appfleet.io/criticality is 'tier-1'; it can be critical, high, medium, "
        "low, and a has none until it is corrected"
    ]
    assert list(slo_tiers()) == list(CRITICALITIES)
