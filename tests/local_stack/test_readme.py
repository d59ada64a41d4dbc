"""What the README tells people to type works as it stands there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from local_stack.demo.callers import Client
from tests.local_stack.pairs import ROOT, Pair

pytestmark = pytest.mark.slow

README = (ROOT / "README.md").read_text()


def by_hand() -> str:
    """Return the shell commands of the section "By hand"."""
    section = README.split("## By hand")[1].split("\n## ")[0]
    (found,) = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return str(found)


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path / "tandem")


def test_commands_by_hand_open_a_shop_that_sells(pair: Pair, tmp_path: Path) -> None:
    pair.tandem("up")
    try:
        shell = "\n".join(
            [
                "set -eu",
                f'tandem() {{ "{sys.executable}" -m local_stack "$@"; }}',
                by_hand().replace("127.0.0.1:8001", f"127.0.0.1:{pair.ports['selling']}"),
            ]
        )
        ran = subprocess.run(
            ["/bin/bash", "-c", shell],
            cwd=tmp_path,
            env=pair.variables(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        password = re.findall(r"^password (\S+)$", ran.stdout, re.MULTILINE)[-1]
        _anna_buys(pair, password)
    finally:
        pair.tandem("down")


def _anna_buys(pair: Pair, password: str) -> None:
    url = f"http://127.0.0.1:{pair.ports['reselling']}"
    with Client(url, name="Anna", email="anna@example.com") as anna:
        anna.password = password
        anna.log_in()
        (small,) = anna.every("/client/v1/tariffs")
        assert small["name"] == "Small"
        order = anna.order(small["id"], hostname="web-1.example.com", os="debian-12")
        anna.wait_until(order["service_id"], state="active")
        assert anna.balance() == 10_000 - 720


def test_every_file_that_it_names_is_there() -> None:
    named = re.findall(
        r"`((?:[a-z_]+/)*[a-zA-Z_.-]+\.(?:md|py|yml|example)|[a-z_]+/[a-z_/]*)`", README
    )
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_every_variable_that_it_names_is_read_by_a_service() -> None:
    read = "".join(
        (ROOT / path).read_text()
        for path in (
            "shared/kit/settings.py",
            "selling_service/settings.py",
            "reselling_service/settings.py",
            "local_stack/home.py",
        )
    )
    rows = README.split("## Configuration")[1].split("\n## ")[0]
    names = re.findall(r"`(?:X|SELLING|RESELLING)_([A-Z_]+)`", rows)
    assert len(names) > 15
    assert {name for name in names if f"{name.lower()}:" not in read and name not in read} == set()
