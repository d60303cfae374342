"""The image, the compose file, the manifests and the proxy: valid by their published schemas, and true to the code."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from models.settings import Ports, Settings, SettingsPath, parse_settings
from pipelines.commands.cli import app
from pipelines.commands.services import SERVICES, Machine, refuse_unsafe
from sql.leases import POSTGRES_VARIABLE
from sql.logs import Hiding
from tests.conftest import free_ports
from tests.deploy.test_health import fetched

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINNED = re.compile(r"[\w./-]+(:v?\d[\w.-]*|@sha256:[0-9a-f]{64})")
REFERENCE = re.compile(r"\$\{([A-Z_]+):\?\}")
SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|HASH|POSTGRES_URL|_USER$")
NOT_OURS = {
    "POSTGRES_USER",
    "POSTGRES_PASSWORD",
    "POSTGRES_DB",
    "CLICKHOUSE_USER",
    "CLICKHOUSE_PASSWORD",
    "CLICKHOUSE_DEFAULT_ACCESS_MANAGEMENT",
}
"""Variables that other people's images read."""
OF_THE_SDK = {"OTEL_EXPORTER_OTLP_ENDPOINT"}


@dataclass(frozen=True)
class Container:
    """One container, wherever it is described; variables by name, with how they get their value."""

    where: str
    name: str
    image: str
    arguments: tuple[str, ...]
    variables: dict[str, str]


COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
MANIFESTS = sorted(path for path in KUBERNETES.glob("*.yaml") if path.name != "kustomization.yaml")
OBJECTS: list[dict[str, Any]] = [
    document for path in MANIFESTS for document in yaml.safe_load_all(path.read_text())
]
KUSTOMIZATION = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
IMAGES = {one["name"]: f"{one['newName']}:{one['newTag']}" for one in KUSTOMIZATION["images"]}


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    """Kind and pod of everything that runs in the cluster."""
    for one in OBJECTS:
        if one["kind"] in ("Deployment", "StatefulSet", "Job"):
            yield one["kind"], one["spec"]["template"]["spec"]


def containers() -> Iterator[Container]:
    for name, service in COMPOSE["services"].items():
        variables = {key: str(value) for key, value in service.get("environment", {}).items()}
        arguments = service.get("command", [])
        yield Container("compose", name, service["image"], tuple(map(str, arguments)), variables)
    for _, pod in pods():
        for one in [*pod.get("initContainers", []), *pod["containers"]]:
            variables = {
                each["name"]: each.get("value") or f"secret {each['valueFrom']['secretKeyRef']}"
                for each in one.get("env", [])
            }
            image = IMAGES.get(one["image"], one["image"])
            yield Container("kubernetes", one["name"], image, tuple(one.get("args", [])), variables)


CONTAINERS = list(containers())
OURS = [one for one in CONTAINERS if one.image.startswith("appfleet")]


def ids(one: Container) -> str:
    return f"{one.where} {one.name}"


def valid(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = str(Path(sys.executable).with_name(arguments[0]))
    return subprocess.run([command, *arguments[1:]], capture_output=True, text=True, timeout=60)


def kubernetes_complaints(*files: Path) -> list[str]:
    """What the validator says beyond that a resource passed: a kind it does not know is a warning, and a fault here."""
    done = valid("kubernetes-validate", "--strict", *map(str, files))
    lines = (done.stdout + done.stderr).splitlines()
    passed = [line for line in lines if line.startswith("INFO") and " passed for resource " in line]
    return [line for line in lines if line not in passed] + ([] if done.returncode == 0 else ["it failed"])


def test_the_compose_file_is_one_by_its_published_schema(tmp_path: Path) -> None:
    schema = ("check-jsonschema", "--builtin-schema", "vendor.compose-spec")
    done = valid(*schema, str(DEPLOY / "compose.yaml"))
    assert done.returncode == 0, done.stdout
    (tmp_path / "wrong.yaml").write_text(
        (DEPLOY / "compose.yaml").read_text().replace("mem_limit:", "mem_limits:")
    )
    assert valid(*schema, str(tmp_path / "wrong.yaml")).returncode != 0, "the check can fail"


def test_every_manifest_is_valid_and_none_is_of_a_kind_nobody_knows(tmp_path: Path) -> None:
    assert kubernetes_complaints(*MANIFESTS) == []
    text = (KUBERNETES / "pages.yaml").read_text()
    for name, wrong in (
        ("kind", text.replace("kind: Deployment", "kind: Deploymnt")),
        ("key", text.replace("readinessProbe:", "readynessProbe:")),
        ("type", text.replace("replicas: 2", "replicas: two")),
    ):
        path = tmp_path / f"{name}.yaml"
        path.write_text(wrong)
        assert kubernetes_complaints(path), f"a wrong {name} is noticed"


def test_the_kustomization_names_every_file_and_the_image_of_this_version() -> None:
    assert sorted(KUSTOMIZATION["resources"]) == sorted(path.name for path in MANIFESTS)
    assert {"appfleet": f"appfleet:{PROJECT['version']}"} == IMAGES
    assert COMPOSE["x-appfleet"]["image"] == IMAGES["appfleet"]
    for generator in KUSTOMIZATION["configMapGenerator"]:
        for file in generator["files"]:
            assert (KUBERNETES / file).is_file(), file
    (job,) = [one for one in OBJECTS if one["kind"] == "Job"]
    assert job["metadata"]["name"] == f"migrate-{PROJECT['version'].replace('.', '-')}", (
        "a job cannot be changed"
    )


@pytest.mark.parametrize("one", CONTAINERS, ids=ids)
def test_every_image_is_pinned(one: Container) -> None:
    assert PINNED.fullmatch(one.image), one.image


@pytest.mark.parametrize("one", OURS, ids=ids)
def test_every_command_is_one_the_command_line_takes(one: Container) -> None:
    parse(list(one.arguments))
    if one.arguments[0] == "serve":
        assert one.arguments[1] == one.name
        assert one.name in SERVICES


def parse(arguments: list[str]) -> None:
    """Parses as the command line does, and runs nothing."""
    group: Any = typer.main.get_command(app)
    with group.make_context("appfleet", arguments) as context:
        name, command, rest = group.resolve_command(context, [*context._protected_args, *context.args])
        with command.make_context(name, rest, parent=context):
            pass


def test_a_command_that_is_none_is_noticed() -> None:
    for wrong in (["serv", "pages"], ["serve"], ["serve", "pages", "--prot", "1"]):
        with pytest.raises(Exception, match=r"No such|Missing"):
            parse(wrong)


def read_by_the_code() -> set[str]:
    """Names of variables that appear in the code, those of roles put together as it does."""
    found: set[str] = set()
    for folder in ("models", "sql", "pipelines", "dashboards", "otel"):
        for path in (ROOT / folder).rglob("*.py"):
            found |= set(re.findall(r"[\"'](APPFLEET_[A-Z_]+|DAGSTER_HOME)[\"']", path.read_text()))
    roles = {
        f"APPFLEET_WAREHOUSE_{role}_{part}" for role in ("WRITER", "READER") for part in ("USER", "PASSWORD")
    }
    opening = (ROOT / "sql" / "opening.py").read_text()
    assert 'f"APPFLEET_WAREHOUSE_{role.upper()}_{part}" for part in ("USER", "PASSWORD")' in opening
    return found | roles


@pytest.mark.parametrize("one", OURS, ids=ids)
def test_every_variable_is_one_the_code_reads(one: Container) -> None:
    assert set(one.variables) <= read_by_the_code() | OF_THE_SDK


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_described_twice_and_has_the_same_variables(service: str) -> None:
    described = {one.where: set(one.variables) for one in OURS if one.name == service}
    if service == "warehouse":  # the embedded one, of one machine
        assert described == {}
        return
    assert described["compose"] == described["kubernetes"]


def test_whoever_writes_joins_from_its_own_disk_before_it_serves() -> None:
    """A server's database is loaded by folders that joined it, and each of these has a folder of its own."""
    writes = {
        one.name
        for one in OURS
        if one.arguments[0] == "serve" and any("WRITER" in name for name in one.variables)
    }
    assert writes == {"intake", "dagster-code"}
    for name in writes:
        join, service = COMPOSE["services"][f"join-{name}"], COMPOSE["services"][name]
        assert join["command"] == ["migrate", "--join"]
        assert join["volumes"] == service["volumes"]
        assert service["depends_on"][f"join-{name}"] == {"condition": "service_completed_successfully"}
        (pod,) = [pod for _, pod in pods() if pod["containers"][0]["name"] == name]
        (init,) = pod["initContainers"]
        assert init["args"] == ["migrate", "--join"]
        assert init["volumeMounts"] == pod["containers"][0]["volumeMounts"]


def test_no_secret_has_a_value_or_a_default() -> None:
    for one in CONTAINERS:
        for name, value in one.variables.items():
            if SECRET_NAME.search(name):
                by_reference = REFERENCE.fullmatch(value) or value.startswith(
                    "secret {'name': 'appfleet', 'key': "
                )
                assert by_reference, f"{ids(one)}: {name}"
            if value.startswith("secret "):
                assert f"'key': '{name}'" in value, "a variable is the key of its own name"
    assert "Secret" not in {one["kind"] for one in OBJECTS}


def test_nothing_in_the_folder_looks_like_a_secret() -> None:
    literal = re.compile(
        r"(?i)(?:password|passwd|secret|token|api_?key)[\w-]*[\"']?\s*[:=]\s*[\"']?(?!\$|\{|secret|dagster-operators|[\w-]+-tls|appfleet\b)[\w+/=-]{8,}"
    )
    for path in DEPLOY.rglob("*"):
        if path.is_file():
            text = path.read_text()
            assert Hiding({})(text) == text, f"{path}: a password in an address"
            assert not literal.findall(text), path
            assert "BEGIN " not in text
    assert literal.search("POSTGRES_PASSWORD: hunter2hunter2"), "the check can fail"


def located(folder: Path) -> Any:
    """Where a path of the settings in a container leads, by the files that are mounted at /config."""

    def locate(text: str) -> SettingsPath:
        place = folder / text.removeprefix("/config/") if text.startswith("/config/") else folder / text
        kind = "file" if place.is_file() else "folder" if place.exists() else "nothing"
        return SettingsPath(place, kind)  # type: ignore[arg-type]

    return locate


SETTINGS: dict[str, Settings] = {
    where: parse_settings((folder / "appfleet.yaml").read_text(), "appfleet.yaml", folder, located(folder))
    for where, folder in (("compose", DEPLOY / "workspace"), ("kubernetes", KUBERNETES / "config"))
}


@pytest.mark.parametrize("where", SETTINGS)
@pytest.mark.parametrize("service", [name for name in SERVICES if name != "warehouse"])
def test_the_settings_let_each_service_serve(
    where: str, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SETTINGS[where]
    monkeypatch.setenv(POSTGRES_VARIABLE, "postgresql://db")
    refuse_unsafe(service, settings)
    assert settings.ports == Ports(), "ports are the defaults, which the manifests say"
    if service == "dagster-daemon":
        assert Machine(settings).code_place == f"dagster-code:{Ports().dagster_code}"


def health_port(service: str) -> int:
    return int(getattr(Ports(), SERVICES[service].ports[0]))


def test_ports_and_probes_are_those_of_the_settings() -> None:
    numbers = {field.name: getattr(Ports(), field.name) for field in fields(Ports)}
    for kind, pod in pods():
        (one,) = pod["containers"]
        if one["name"] not in SERVICES:
            continue
        assert kind != "Job"
        given = {port["name"]: port["containerPort"] for port in one["ports"]}
        assert set(given.values()) == {numbers[port] for port in SERVICES[one["name"]].ports}
        for probe, path in (
            ("startupProbe", "/healthz"),
            ("livenessProbe", "/healthz"),
            ("readinessProbe", "/readyz"),
        ):
            asked = one[probe]["httpGet"]
            assert asked["path"] == path
            assert given[asked["port"]] == health_port(one["name"])
            assert one[probe]["timeoutSeconds"] > 5, "longer than a look may take"
    for name, service in COMPOSE["services"].items():
        if name in SERVICES:
            assert re.search(
                rf"127\.0\.0\.1:{health_port(name)}/(readyz|healthz)'", service["healthcheck"]["test"][-1]
            ), name


def test_pods_are_nobody_s_root_and_have_limits() -> None:
    for _, pod in pods():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False, (
            "else DAGSTER_WEBSERVER_PORT is what Dagster reads as its port"
        )
        for one in [*pod.get("initContainers", []), *pod["containers"]]:
            assert one["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"cpu", "memory"} == set(one["resources"]["limits"]) == set(one["resources"]["requests"])
            mounts = {mount["name"] for mount in one["volumeMounts"]}
            claims = {
                claim["metadata"]["name"]
                for each in OBJECTS
                for claim in each.get("spec", {}).get("volumeClaimTemplates", [])
                if each["spec"]["template"]["spec"] is pod
            }
            assert mounts == {volume["name"] for volume in pod["volumes"]} | claims


def test_what_selects_pods_selects_some() -> None:
    names = {pod["containers"][0]["name"] for _, pod in pods()}
    by_kind: dict[str, set[str]] = {}
    for one in OBJECTS:
        spec = one.get("spec", {})
        selector = spec.get("podSelector", spec.get("selector", {}))
        labels = selector.get("matchLabels", selector)
        if one["kind"] in ("Service", "PodDisruptionBudget", "NetworkPolicy") and labels:
            assert labels["app"] == one["metadata"]["name"]
            assert labels["app"] in names
            by_kind.setdefault(one["kind"], set()).add(labels["app"])
        for rule in spec.get("ingress", []) if one["kind"] == "NetworkPolicy" else []:
            for source in rule["from"]:
                assert source.get("podSelector", {}).get("matchLabels", {}).get("app", "pages") in names
    assert by_kind["PodDisruptionBudget"] == {
        one["metadata"]["name"] for one in OBJECTS if one.get("spec", {}).get("replicas", 0) > 1
    }
    assert by_kind["NetworkPolicy"] >= by_kind["Service"], "no service is open to every pod"


def test_in_the_cluster_only_its_own_parts_reach_the_code_server_and_only_the_ingress_the_pages() -> None:
    policies = {one["metadata"]["name"]: one["spec"] for one in OBJECTS if one["kind"] == "NetworkPolicy"}
    assert policies["nobody"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    assert {
        source["podSelector"]["matchLabels"]["app"]
        for source in policies["dagster-code"]["ingress"][0]["from"]
    } == {
        "dagster-webserver",
        "dagster-daemon",
    }
    for name in ("pages", "dagster-webserver"):
        (rule,) = policies[name]["ingress"]
        assert rule["from"] == [
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}}
        ]


def test_the_ingress_routes_to_services_and_asks_who_looks_at_dagster() -> None:
    services = {
        one["metadata"]["name"]: {port["name"] for port in one["spec"]["ports"]}
        for one in OBJECTS
        if one["kind"] == "Service"
    }
    hosts: dict[str, str] = {}
    for one in OBJECTS:
        if one["kind"] != "Ingress":
            continue
        (rule,) = one["spec"]["rules"]
        for path in rule["http"]["paths"]:
            to = path["backend"]["service"]
            assert to["port"]["name"] in services[to["name"]]
            hosts[rule["host"]] = to["name"]
        assert one["spec"]["tls"][0]["hosts"] == [rule["host"]]
        annotations = one["metadata"]["annotations"]
        if rule["http"]["paths"][0]["backend"]["service"]["name"] == "dagster-webserver":
            assert annotations["nginx.ingress.kubernetes.io/auth-type"] == "basic"
            assert f"https://{rule['host']}" == SETTINGS["kubernetes"].dagster.url
        if one["metadata"]["name"] == "pages":
            assert annotations["nginx.ingress.kubernetes.io/affinity"] == "cookie"
    assert sorted(hosts.values()) == ["dagster-webserver", "intake", "intake", "pages"], (
        "each under a host of its own"
    )


CADDYFILE = (DEPLOY / "Caddyfile").read_text()


def test_the_proxy_alone_is_reached_and_reaches_three_services_alone() -> None:
    services = COMPOSE["services"]
    assert [name for name, one in services.items() if "ports" in one] == ["proxy"]
    routes = re.findall(r"^\s*reverse_proxy (?:@\w+ )?(?:h2c://)?([\w-]+):(\d+)", CADDYFILE, re.MULTILINE)
    assert {name for name, _ in routes} == {"pages", "dagster-webserver", "intake"}
    for name, port in routes:
        assert int(port) in {getattr(Ports(), one) for one in SERVICES[name].ports}
        assert set(services[name]["networks"]) & set(services["proxy"]["networks"]), name
    shared = {
        name
        for name, one in services.items()
        if name != "proxy" and set(one["networks"]) & set(services["proxy"]["networks"])
    }
    assert shared == {"pages", "dagster-webserver", "intake"}, "the proxy has no way to the warehouse"
    assert not set(services["pages"]["networks"]) & set(services["dagster-webserver"]["networks"]) - {
        "storage"
    }
    for name in ("clickhouse", "postgres"):
        assert services[name]["networks"] == ["storage"]
    given = set(re.findall(r"\{\$(\w+)\}", CADDYFILE))
    assert given == set(services["proxy"]["environment"])
    for one in services.values():
        for volume in one.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (DEPLOY / source).exists(), source
            else:
                assert source in COMPOSE["volumes"]


@pytest.mark.skipif(not shutil.which("caddy"), reason="no caddy on this machine")
def test_caddy_routes_by_name_and_keeps_health_and_dagster_for_itself(tmp_path: Path) -> None:
    """The file as it is, by a real Caddy, before services that say who they are."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    from threading import Thread

    def serve(name: str) -> int:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = f"{name} {self.headers['Host']} {self.headers.get('Authorization')}".encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=server.serve_forever, daemon=True).start()
        return int(server.server_address[1])

    (port,) = free_ports(1)
    text = CADDYFILE
    for name, number in (("pages", 8501), ("dagster-webserver", 3000), ("intake", 4318)):
        text = text.replace(f"reverse_proxy {name}:{number}", f"reverse_proxy 127.0.0.1:{serve(name)}")
    said = subprocess.run(["caddy", "version"], capture_output=True, text=True, check=True).stdout
    if tuple(map(int, re.findall(r"\d+", said or "2.6")[:2])) < (2, 8):
        text = text.replace("basic_auth", "basicauth")  # its name until then
    (tmp_path / "Caddyfile").write_text(text)
    hashed = subprocess.run(
        ["caddy", "hash-password", "--plaintext", "operator"], capture_output=True, text=True, check=True
    )
    environment = {
        **os.environ,
        **{
            f"APPFLEET_{name.upper()}_HOST": f"http://{name}.test:{port}"
            for name in ("pages", "dagster", "intake")
        },
        "APPFLEET_DAGSTER_USER": "ops",
        "APPFLEET_DAGSTER_PASSWORD_HASH": hashed.stdout.strip(),
        "XDG_DATA_HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
    }
    log = (tmp_path / "log").open("wb")
    process = subprocess.Popen(
        ["caddy", "run", "--config", "Caddyfile", "--adapter", "caddyfile"],
        cwd=tmp_path, env=environment, stdout=log, stderr=log,
    )  # fmt: skip
    try:
        from tests.pipelines.test_up import until

        def ask(host: str, path: str = "/") -> tuple[int, str]:
            return fetched(f"http://127.0.0.1:{port}{path}", f"{host}.test:{port}")

        def answers() -> bool:
            try:
                return ask("pages")[0] == 200
            except OSError:
                return False

        until(answers, 20)
        assert ask("pages")[1].startswith("pages pages.test")
        assert ask("intake")[1].startswith("intake ")
        for host in ("pages", "intake", "dagster"):
            for path in ("/healthz", "/readyz"):
                assert ask(host, path)[0] in (401, 404)
        assert ask("dagster")[0] == 401
        assert ask("warehouse")[1] == "", "no other name is answered"
        import base64
        import urllib.request

        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/",
            headers={
                "Host": f"dagster.test:{port}",
                "Authorization": "Basic " + base64.b64encode(b"ops:operator").decode(),
            },
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            assert response.read().decode().startswith("dagster-webserver dagster.test")
    finally:
        process.terminate()
        process.wait(10)
        log.close()


def test_the_collector_is_set_up_once() -> None:
    copies = {
        "config/collector.yaml": ROOT / "otel" / "collector" / "config.yaml",
        "config/collector-deployed.yaml": DEPLOY / "collector" / "deployed.yaml",
    }
    for copy, original in copies.items():
        assert (KUBERNETES / copy).read_text() == original.read_text(), (
            "kustomize reads no file outside its folder"
        )
    base, over = (yaml.safe_load(path.read_text()) for path in copies.values())
    assert over["exporters"]["otlp/appfleet"]["endpoint"] == f"intake:{Ports().otlp_grpc}"
    known = {*base["extensions"], *over["extensions"]}
    assert set(over["service"]["extensions"]) <= known
    assert set(base["service"]["extensions"]) <= set(over["service"]["extensions"]), "a list replaces a list"
    (endpoint,) = {
        one.variables["OTEL_EXPORTER_OTLP_ENDPOINT"]
        for one in OURS
        if "OTEL_EXPORTER_OTLP_ENDPOINT" in one.variables
    }
    listening = over["receivers"]["otlp"]["protocols"]["http"]["endpoint"].rpartition(":")[2]
    assert endpoint == f"http://collector:{listening}"


def stages() -> list[list[str]]:
    """Instructions of the Dockerfile by stage, continued lines joined."""
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [
        " ".join(line.split()) for line in text.splitlines() if line.strip() and not line.startswith("#")
    ]
    found: list[list[str]] = []
    for line in lines:
        if line.startswith("FROM "):
            found.append([])
        found[-1].append(line)
    return found


def test_the_image_is_slim_pinned_hashed_compiled_and_nobody_s_root() -> None:
    build, final = stages()
    for stage in (build, final):
        assert PINNED.fullmatch(stage[0].split()[1])
        assert "-slim" in stage[0]
        assert not re.search(r"apt|gcc|build-essential|curl|wget", " ".join(stage)), (
            "no compiler, nothing fetched aside"
        )
    assert build[0].split()[1] == final[0].split()[1]
    installed = " ".join(build)
    assert "--require-hashes --only-binary :all: -r requirements.lock" in installed
    assert "compileall" in installed
    assert "uninstall --yes setuptools pip" in installed
    users = [line.split()[1] for line in final if line.startswith("USER ")]
    assert users == ["10001:10001"]
    assert 'ENTRYPOINT ["appfleet"]' in final
    assert [line for line in final if line.startswith("COPY")] == [
        "COPY --from=build /opt/appfleet /opt/appfleet"
    ]
    for _, pod in pods():
        assert pod["securityContext"]["runAsUser"] == 10001
    version = re.search(r":(\d+\.\d+)", build[0])
    assert version
    assert tuple(map(int, version[1].split("."))) >= (3, 11)


def test_every_file_the_code_needs_is_copied_and_installed(tmp_path: Path) -> None:
    """The image installs a wheel, so what the wheel lacks the services lack."""
    copied = {
        line.split()[1].strip("/") for line in stages()[0] if line.startswith("COPY") and line.count("/") == 2
    }
    packages = {"models", "sql", "pipelines", "dashboards", "otel"}
    assert copied == packages
    let_in = {
        line.strip("!")
        for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    assert let_in == packages | {"requirements.lock", "pyproject.toml", "README.md"}
    source = tmp_path / "source"
    source.mkdir()
    for name in sorted(let_in):
        place = ROOT / name
        if place.is_dir():
            shutil.copytree(place, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(place, source / name)
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(tmp_path), "."],
        cwd=source, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(
        ["git", "ls-files", *sorted(packages)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    not_run = {"otel/README.md", "otel/pyproject.toml"}
    assert sorted(set(tracked.stdout.split()) - inside - not_run) == []


def test_the_shell_lines_of_the_documents_name_files_that_are_there() -> None:
    text = (ROOT / "docs" / "deploying.md").read_text()
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            for word in shlex.split(line, comments=True):
                if word.startswith("deploy/"):
                    assert (ROOT / word).exists(), word


def test_the_table_of_variables_is_whole() -> None:
    text = (ROOT / "docs" / "deploying.md").read_text()
    told = set(re.findall(r"^\| `([A-Z_]+)` \|", text, re.MULTILINE))
    used = {name for one in CONTAINERS for name in one.variables} - NOT_OURS
    used |= {
        found for one in CONTAINERS for value in one.variables.values() for found in REFERENCE.findall(value)
    }
    assert used <= told
    assert told <= used | read_by_the_code() | OF_THE_SDK
