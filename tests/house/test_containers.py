"""The container files, as far as they can be held against the code without an engine to run them."""

import json
import re
from typing import Any

import yaml

from ferrata.infra.settings import Settings
from tests.house.tree import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SCRIPTS = ("ferrata", "klaviyo-sandbox")


class TestCompose:
    def test_has_the_application_its_workers_and_a_database_and_the_sandbox_only_on_demand(self) -> None:
        assert set(COMPOSE["services"]) == {"ferrata", "worker", "postgres", "sandbox"}
        assert [name for name, service in COMPOSE["services"].items() if "profiles" in service] == ["sandbox"]

    def test_mounts_only_volumes_that_it_declares(self) -> None:
        mounted = {volume.partition(":")[0] for service in COMPOSE["services"].values() for volume in service["volumes"]}
        assert mounted == set(COMPOSE["volumes"])

    def test_opens_no_port_to_other_machines(self) -> None:
        ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
        assert ports and all(port.startswith("127.0.0.1:") for port in ports)

    def test_sets_only_settings_that_exist(self) -> None:
        known = {str(name) for field in Settings.model_fields.values() for name in field.validation_alias.choices}  # type: ignore[union-attr]
        assert set(COMPOSE["services"]["ferrata"]["environment"]) <= known


class TestTheImage:
    def test_takes_only_files_that_the_ignore_file_lets_through(self) -> None:
        allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
        for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE):
            for source in sources.split():
                assert (ROOT / source).exists()
                assert any(source == entry or entry.startswith(f"{source}/") for entry in allowed), source

    def test_does_not_run_as_root_and_tells_how_it_fares(self) -> None:
        last_stage = DOCKERFILE.rpartition("\nFROM ")[2]
        assert re.search(r"^USER ferrata$", last_stage, re.MULTILINE)
        assert "/health/live" in last_stage.partition("HEALTHCHECK")[2]

    def test_starts_a_command_that_is_installed(self) -> None:
        scripts = (ROOT / "pyproject.toml").read_text().partition("[project.scripts]")[2]
        [entry] = json.loads(re.findall(r"^ENTRYPOINT (.+)$", DOCKERFILE, re.MULTILINE)[0])
        assert entry in SCRIPTS and all(f"{name} = " in scripts for name in SCRIPTS)
        assert COMPOSE["services"]["sandbox"]["entrypoint"] == ["klaviyo-sandbox"]
