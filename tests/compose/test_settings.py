"""What an operator sets in .env reaches the containers, and what he leaves out stays as it was."""

import itertools
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from reselling_service.settings import ResellingSettings
from selling_service.settings import SellingSettings
from shared.contract.basics import Edition
from shared.kit.settings import ServiceSettings
from tests.compose.engine import compose_command, run
from tests.compose.stack import FILE, ROOT, write_secrets

HALVES: dict[str, type[ServiceSettings]] = {
    "selling": SellingSettings,
    "reselling": ResellingSettings,
}
# Everything else that a service has can be set.
NOT_FOR_OPERATORS = {
    "the file's own affair": {
        *("database_url", "app_database_url", "staff_database_url"),
        *("secret_keys", "host", "port", "worker_metrics_host", "log_json"),
    },
    "never in production": {"sandbox", "allow_powerful_login", "webhook_private_addresses"},
    "the image drives no VMs of its own": {"platform", "platform_patience_seconds", "qemu_"},
    "made for tests": {
        *("worker_lease_seconds", "max_body_bytes", "reconciliation_recheck_seconds"),
        *("call_timeout_seconds", "stream_silence_seconds", "longest_back_off_seconds"),
    },
}
SAMPLES = {
    "currency": "USD",
    "log_level": "DEBUG",
    "public_url": "https://shop.example.com",
    "second_factor_roles": "owner,finance",
    "trusted_proxies": "10.0.0.0/8",
    "proxmox_url": "https://pve.example.com:8006",
    "proxmox_token": "tandem@pve!worker=token",
    "proxmox_templates": '{"debian-12": {"pve1": 9000}}',
    "proxmox_realm": "ldap",
    "proxmox_role": "Client",
    "proxmox_locked_role": "Suspended",
    "proxmox_bridge": "vmbr1",
    "proxmox_disk": "virtio0",
    "proxmox_storage": "local-zfs",
    "vmmanager6_url": "https://vm.example.com",
    "vmmanager6_email": "admin@example.com",
    "vmmanager6_password": "provider",
    "vmmanager6_templates": '{"debian-12": 17}',
    "vmmanager6_cluster": "3",
    "vmmanager6_pools": "[5, 6]",
    "vmmanager6_login_domain": "clients.example.com",
}
VARIABLE = re.compile(r"\$\{(\w+)")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this machine has set would count before .env."""
    for name in list(os.environ):
        if name.startswith(("SELLING_", "RESELLING_", "TANDEM_", "OTEL_")):
            monkeypatch.delenv(name)


def settable(half: str) -> dict[str, FieldInfo]:
    left_out = tuple(name for names in NOT_FOR_OPERATORS.values() for name in names)
    fields = HALVES[half].model_fields
    return {
        name: field
        for name, field in fields.items()
        if not name.startswith(left_out) and (half, name) != ("selling", "public_url")
    }


def sample(name: str, field: FieldInfo) -> str:
    """Something other than the default."""
    default = field.default
    if name.startswith("tls_") or name.endswith("_authority"):
        return f"/tls/{name}.pem"
    if isinstance(default, bool):
        return str(not default).lower()
    if isinstance(default, int | float):
        return str(default + 1)
    if isinstance(default, Edition):
        return next(other.value for other in Edition if other is not default)
    return SAMPLES[name]


def told(value: object) -> str:
    """A setting's value as it is written in .env."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    found = to_jsonable_python(value)
    if isinstance(found, list) and all(isinstance(each, str) for each in found):
        return ",".join(found)
    return json.dumps(found) if isinstance(found, list | dict) else str(found)


def composed(folder: Path, given: dict[str, str]) -> dict[str, Any]:
    """The services, as Compose understands the file with this in .env."""
    secrets = write_secrets(folder)
    with secrets.open("a") as file:
        file.writelines(f"{name}={value}\n" for name, value in given.items())
    said = run(*compose_command(), f"--file={FILE}", f"--env-file={secrets}", "config")
    found: dict[str, Any] = yaml.safe_load(said)["services"]
    return found


def settings_of(
    half: str, services: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[ServiceSettings]:
    """What each process of a half makes of its environment."""
    for part in ("api", "worker"):
        with monkeypatch.context() as patch:
            for name, value in services[f"{half}-{part}"]["environment"].items():
                patch.setenv(name, str(value))
            yield HALVES[half]()


def test_what_is_set_reaches_every_process_of_its_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {
        f"{half.upper()}_{name.upper()}": sample(name, field)
        for half in HALVES
        for name, field in settable(half).items()
    }
    services = composed(tmp_path, given)
    for half in HALVES:
        for settings in settings_of(half, services, monkeypatch):
            for name in settable(half):
                wanted = given[f"{half.upper()}_{name.upper()}"]
                assert told(getattr(settings, name)).lower() == wanted.lower(), name


def test_what_is_left_out_is_as_the_service_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = composed(tmp_path, {})
    for half in HALVES:
        for settings in settings_of(half, services, monkeypatch):
            for name, field in settable(half).items():
                assert getattr(settings, name) == field.get_default(call_default_factory=True), name
        assert services[f"{half}-api"]["stop_grace_period"] == "10s"


def test_every_process_knows_where_traces_go(tmp_path: Path) -> None:
    given = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.example.com:4318",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20sesame",
    }
    for half, part in itertools.product(HALVES, ("api", "worker")):
        told = composed(tmp_path, given)[f"{half}-{part}"]["environment"]
        assert given.items() <= told.items()


def test_folders_with_certificates_are_seen_by_their_half_alone(tmp_path: Path) -> None:
    folders = {f"TANDEM_{half.upper()}_TLS_FOLDER": f"/srv/{half}" for half in HALVES}
    mounted = {
        name: [str(volume) for volume in service.get("volumes", []) if "/tls" in str(volume)]
        for name, service in composed(tmp_path, folders).items()
    }
    for half in HALVES:
        seen_by = {name for name, volumes in mounted.items() if f"/srv/{half}" in str(volumes)}
        assert {f"{half}-api"} <= seen_by <= {f"{half}-api", f"{half}-worker"}


def test_example_names_everything_that_can_be_set() -> None:
    example = (ROOT / ".env.example").read_text()
    told = set(re.findall(r"^#(\w+)=", example, re.MULTILINE))
    assert set(VARIABLE.findall(FILE.read_text())) <= told
