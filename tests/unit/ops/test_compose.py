"""compose.yaml and the Dockerfile name only what exists, pin what they use, and keep secrets out."""

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from cli.commands.prepare import prepare
from cli.config.settings import SERVICES
from cli.launcher.service_process import existing_services
from cli.main import COMMANDS
from cli.provisioning.provision import PrepareSettings
from shared.kit.config.env import Settings, document, load

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
DOCKERFILE = (ROOT / "Dockerfile").read_text()
EXAMPLE = dict(
    line.split("=", 1)
    for line in (ROOT / ".env.example").read_text().splitlines()
    if line and not line.startswith("#")
)
VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)(?::([?-])([^}]*))?\}")
OUR_OWN = {"CONCORD_PREPARED"}
OPTIONAL_SECRETS = {"MESH_SECRET_ALSO", "MESSAGE_CONTENT_KEYS"}
"""Without them something is not done, but nothing is open."""


def settings_of(service: str) -> type[Settings]:
    module = importlib.import_module(f"apps.{service}.settings")
    found: type[Settings] = getattr(module, f"{service.capitalize()}Settings")
    return found


def names(kind: type[Settings]) -> set[str]:
    return {row.name for row in document(kind)}


def test_it_keeps_to_the_compose_specification() -> None:
    program = Path(sys.executable).with_name("check-jsonschema")
    command = [str(program), "--builtin-schema", "vendor.compose-spec", str(ROOT / "compose.yaml")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_all_five_services_run_from_our_image() -> None:
    for service in SERVICES:
        assert COMPOSE["services"][service]["command"] == ["run", service]
        assert COMPOSE["services"][service]["build"] == "."
    assert COMPOSE["services"]["prepare"]["command"] == [prepare.name]
    assert {"run", "prepare"} <= set(COMMANDS)


@pytest.mark.parametrize("service", existing_services())
def test_every_setting_of_a_service_exists_and_none_is_missing(service: str) -> None:
    kind, environ = settings_of(service), COMPOSE["services"][service]["environment"]
    assert set(environ) - OUR_OWN <= names(kind)
    required = {row.name for row in document(kind) if row.default is None}
    if "MESH_SECRET" in names(kind):
        required.add("MESH_SECRET")
    assert required <= set(environ)


def valued(service: str, example: dict[str, str]) -> dict[str, str]:
    """The environment of a service as compose makes it, with what has to be filled in."""

    def value(match: re.Match[str]) -> str:
        name, kind, text = match.groups()
        return example.get(name) or (text if kind == "-" else "0123456789abcdef" * 3)

    environ = COMPOSE["services"][service]["environment"]
    return {name: VARIABLE.sub(value, text) for name, text in environ.items() if name not in OUR_OWN}


@pytest.mark.parametrize("example", [{}, EXAMPLE], ids=["defaults", "example"])
@pytest.mark.parametrize("service", existing_services())
def test_every_value_is_one_that_the_service_takes(service: str, example: dict[str, str]) -> None:
    load(settings_of(service), valued(service, example))


def test_what_compose_chooses_for_the_gateway_is_its_own_default() -> None:
    shown = {row.name: row.default for row in document(settings_of("gateway"))}
    environ = COMPOSE["services"]["gateway"]["environment"]
    for name, (variable, kind, text) in (
        (name, found.groups()) for name in environ if (found := VARIABLE.fullmatch(environ[name]))
    ):
        if kind == "-" and text and name not in ("PUBLIC_URL", "FILE_PUBLIC_URL"):
            assert variable == name
            assert text.lower() == str(shown[name]).lower()
            assert EXAMPLE[name] == text


def test_every_setting_of_the_preparation_exists() -> None:
    environ = COMPOSE["services"]["prepare"]["environment"]
    later = {"FILE_DATABASE_URL"} if "file" not in existing_services() else set()
    assert set(environ) - later <= names(PrepareSettings)
    assert {f"{name.upper()}_DATABASE_URL" for name in SERVICES if name != "gateway"} <= set(environ)


def test_what_the_preparation_is_given_is_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given: list[Mapping[str, str]] = []
    monkeypatch.setattr("cli.provisioning.provision.prepare", given.append)
    environ = {**valued("prepare", EXAMPLE), "CONCORD_DATA": str(tmp_path)}
    for name in set(os.environ) - {"PATH"}:
        monkeypatch.delenv(name)
    result = CliRunner(env=environ).invoke(prepare)
    assert result.exit_code == 0, result.exception
    assert load(PrepareSettings, given[0]).database_urls().keys() == set(SERVICES) - {"gateway"}


def test_every_setting_in_the_image_exists() -> None:
    (block,) = re.findall(r"^ENV PATH=.*?(?=^USER)", DOCKERFILE, re.S | re.M)
    named = set(re.findall(r"\b([A-Z_]+)=", block))
    known = names(settings_of("gateway")) | {"CONCORD_DATA"}
    assert {name for name in named if not name.startswith("PYTHON") and name != "PATH"} <= known


EXACT = re.compile(r"[a-z0-9./-]+:v?\d+\.\d+(\.\d+)?(-[a-z0-9-]+)?(@sha256:[0-9a-f]{64})?")


def test_images_are_pinned() -> None:
    images = [service["image"] for service in COMPOSE["services"].values() if not service.get("build")]
    images += re.findall(r"^ARG PYTHON_IMAGE=(\S+)", DOCKERFILE, re.M)
    assert len(images) == 5
    assert [image for image in images if not EXACT.fullmatch(image)] == []
    assert not re.findall(r"FROM (?!\$\{PYTHON_IMAGE\})", DOCKERFILE)


def test_the_dockerfile_keeps_to_what_its_linter_asks() -> None:
    program = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([str(program), str(ROOT / "Dockerfile")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_pictures_fit_into_the_container_that_opens_them() -> None:
    """On its /tmp those of all workers, in its memory the largest of each beside the service itself."""
    shown = {row.name: row.default for row in document(settings_of("file"))}
    workers, largest = int(shown["FILE_THUMBNAIL_WORKERS"] or 0), int(shown["FILE_THUMBNAIL_MAX_BYTES"] or 0)
    service = COMPOSE["services"]["file"]
    (folder,) = service["tmpfs"]
    room = int(re.findall(r"^/tmp:size=(\d+)m", folder)[0]) * 2**20
    assert workers * largest <= room - 16 * 2**20
    assert service["deploy"]["resources"]["limits"]["memory"] == "1G"
    assert workers * 640 * 2**20 + room + 256 * 2**20 <= 2**30


def test_everything_has_bounds_and_is_looked_at() -> None:
    for name, service in COMPOSE["services"].items():
        limits = service["deploy"]["resources"]["limits"]
        assert {"cpus", "memory", "pids"} <= limits.keys(), name
        assert service["logging"]["options"]["max-size"], name
        own = service.get("build") == "."  # the image's own check asks whatever runs in it
        assert own or service["healthcheck"]["test"][0] == "CMD", name
    assert "HEALTHCHECK" in DOCKERFILE


def test_our_processes_have_no_rights_that_they_do_not_need() -> None:
    assert re.search(r"^USER 10001:10001$", DOCKERFILE, re.M)
    for name in (*SERVICES, "prepare"):
        service = COMPOSE["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "cap_add" not in service


def test_nothing_gains_rights() -> None:
    for name, service in COMPOSE["services"].items():
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not {"privileged", "network_mode", "pid", "ipc", "devices", "user"} & service.keys(), name
        mounts = [volume for volume in service.get("volumes", ()) if volume.startswith((".", "/"))]
        assert all(mount.startswith("./ops/") and mount.endswith(":ro") for mount in mounts), name


def test_each_service_signs_in_to_its_own_database_alone() -> None:
    for service in set(SERVICES) - {"gateway"}:
        urls = [
            value for value in COMPOSE["services"][service]["environment"].values() if "postgres" in value
        ]
        variable = f"{service.upper()}_DATABASE_PASSWORD"
        assert [VARIABLE.sub(r"\1", url) for url in urls] == [
            f"postgresql://{service}:{variable}@postgres:5432/{service}"
        ]
    assert not [value for value in COMPOSE["services"]["gateway"]["environment"] if "DATABASE" in value]
    users = [value for name in SERVICES for value in COMPOSE["services"][name]["environment"].values()]
    assert not [value for value in users if "POSTGRES_PASSWORD" in value], "nobody is the superuser"


def test_nothing_is_published_beyond_this_machine_by_default() -> None:
    for service in COMPOSE["services"].values():
        for port in service.get("ports", ()):
            assert port.startswith(("${CONCORD_BIND:-127.0.0.1}:", "127.0.0.1:"))


def test_every_variable_stands_in_the_example_and_no_secret_has_a_default() -> None:
    used = {name: (kind, text) for name, kind, text in VARIABLE.findall(TEXT)}
    assert set(used) == set(EXAMPLE)
    for name, (kind, text) in used.items():
        if re.search("PASSWORD|SECRET|KEY$|_KEYS$", name):
            wanted = ("-", "") if name in OPTIONAL_SECRETS else ("?", "fill in .env")
            assert (kind, text) == wanted, f"{name} must be asked for, or be none"
            assert EXAMPLE[name] == "", f"{name} must be empty in the example"


def test_what_the_dockerfile_copies_is_there_and_not_ignored() -> None:
    kept = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line[:1] == "!"
    }
    for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.M):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists()
            assert source in kept


def test_a_process_needs_nothing_of_the_embedded_parts() -> None:
    """The image is without these packages."""
    (line,) = re.findall(r"pip uninstall -y (.*)$", DOCKERFILE, re.M)
    absent = [name.replace("-", "_") for name in line.split()]
    modules = ["cli.commands.run", "cli.commands.prepare", "cli.healthcheck", "cli.provisioning.provision"]
    modules += [f"apps.{service}.main" for service in existing_services()]
    script = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({absent!r}))\n"
        f"for name in {modules!r}: __import__(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_s3_serves_objects_only_and_reports_to_nobody() -> None:
    off = {"s3.autoCreateBucket": "false", "s3.iam": "false", "master.telemetry": "false"}
    off |= {"s3.port.iceberg": "0", "s3.port.lance": "0"}
    flags = dict(flag.removeprefix("-").partition("=")[::2] for flag in COMPOSE["services"]["s3"]["command"])
    assert off.items() <= flags.items()
    health = COMPOSE["services"]["s3"]["healthcheck"]["test"][-1]
    assert health == f"http://127.0.0.1:{flags['s3.port']}/healthz"
