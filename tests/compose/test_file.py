"""docker-compose.yml itself: no secret stands in it, and a missing one is asked for by name."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.compose.engine import CommandFailed, compose_command, run
from tests.compose.stack import FILE, LONG_RUNNING, ONE_SHOT, ROOT, write_secrets

SECRET = re.compile(r"PASSWORD|SECRET|DATABASE_URL|TOKEN$")
RUNTIME_LOCK = "requirements.runtime.lock"
PIN = re.compile(r"(?P<name>[\w-]+)==(?P<version>\S+)")
# Demanded, or nothing where it isn't needed; never with a value of its own.
ASKED_FOR = re.compile(r"\$\{(\w+)(?::\?[^}]*|:-)?\}")


@pytest.fixture
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(FILE.read_text())["services"]
    return found


def test_every_secret_comes_from_outside(services: dict[str, Any]) -> None:
    seen = set()
    for service in services.values():
        for name, value in service["environment"].items():
            if SECRET.search(name):
                (variable,) = ASKED_FOR.findall(value)
                seen.add(variable)
                rest = ASKED_FOR.sub("", value)
                assert re.fullmatch(r"|postgresql\+asyncpg://\w+:@[\w-]+/\w+", rest), name
    assert len(seen) == 10


def test_ports_are_open_to_this_host_only(services: dict[str, Any]) -> None:
    ports = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert set(ports) == {"selling-api", "reselling-api"}
    assert all("_LISTEN:-127.0.0.1:" in port for opened in ports.values() for port in opened)


def test_each_container_is_locked_in(services: dict[str, Any]) -> None:
    assert set(services) == LONG_RUNNING | ONE_SHOT
    for service in services.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
    for name in LONG_RUNNING:
        assert services[name]["restart"] == "unless-stopped"
        assert "healthcheck" in services[name]


@pytest.mark.slow
def test_missing_secret_is_asked_for_by_name(tmp_path: Path) -> None:
    lines = write_secrets(tmp_path).read_text().splitlines()
    assert len(lines) == 8
    for missing in lines:
        name = missing.split("=")[0]
        partial = tmp_path / "partial"
        partial.write_text("\n".join(line for line in lines if line != missing))
        with pytest.raises(CommandFailed, match=f"set {name} in .env"):
            run(*compose_command(), "--file", FILE, "--env-file", partial, "config")


def test_what_the_image_holds_is_what_was_tested() -> None:
    tested, shipped = (pins(ROOT / name) for name in ("requirements.lock", RUNTIME_LOCK))
    assert {name: tested.get(name) for name in shipped} == shipped
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    every = [*project["dependencies"], *project["optional-dependencies"]["otlp"]]
    wanted = {re.split(r"[\[>=<~! ]", line)[0] for line in every}
    assert {name.replace(".", "-") for name in wanted} <= set(shipped)


def pins(lock: Path) -> dict[str, str]:
    found = (PIN.match(line) for line in lock.read_text().splitlines())
    return {pin["name"]: pin["version"] for pin in found if pin}
