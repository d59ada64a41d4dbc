"""Every alert has an entry in the runbook, and asks for figures that the services show."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from reselling_service.main import create_app as create_reselling
from reselling_service.settings import ResellingSettings
from selling_service.main import create_app as create_selling
from selling_service.settings import SellingSettings
from tests.requirements import require
from tests.secret_key import SECRET_KEY

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "docs" / "alerts.yml"
RUNBOOK = ROOT / "docs" / "runbook.md"
NOWHERE = "postgresql+asyncpg:///nowhere"


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def names() -> list[str]:
    return [rule["alert"] for rule in alerts()]


@pytest.fixture(scope="module")
def shown() -> set[str]:
    """Names of all figures that processes of both services show."""
    given = {"database_url": NOWHERE, "secret_keys": SECRET_KEY}
    create_selling(SellingSettings.model_validate(given))
    create_reselling(ResellingSettings.model_validate(given))
    return set(REGISTRY._names_to_collectors)


@pytest.mark.parametrize("rule", alerts(), ids=names())
def test_an_alert_asks_for_figures_that_are_shown(rule: dict[str, Any], shown: set[str]) -> None:
    asked = set(re.findall(r"\btandem_[a-z_]+", rule["expr"]))
    assert asked <= shown
    assert asked or rule["expr"].startswith("up{")


@pytest.mark.parametrize("rule", alerts(), ids=names())
def test_an_alert_leads_to_its_entry_in_the_runbook(rule: dict[str, Any]) -> None:
    headings = re.findall(r"^## (\w+)\n\S", RUNBOOK.read_text(), re.MULTILINE)
    assert rule["alert"] in headings
    assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"
    assert rule["labels"]["severity"] in {"page", "ticket"}


def test_the_runbook_knows_no_alert_that_is_gone() -> None:
    headings = re.findall(r"^## (\w+)$", RUNBOOK.read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(set(names()))


def test_prometheus_can_read_the_rules() -> None:
    promtool = shutil.which("promtool")
    require(promtool, "promtool isn't on this machine (Debian: prometheus)")
    assert promtool is not None
    ran = subprocess.run(
        [promtool, "check", "rules", RULES], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
