"""What looks after dependencies and the repository tells good from bad, and from not known."""

import json
import subprocess
from collections.abc import Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from local_stack import supply

PINNED = (
    "idna==3.10 \\\n    --hash=sha256:" + "0" * 64 + "\nsix==1.17.0 ; sys_platform == 'win32' \\\n"
)
HOLE = {
    "id": "GHSA-test-test-test",
    "modified": "2030-01-01T00:00:00Z",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "idna"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.11"}]}],
        }
    ],
}


class Osv(BaseHTTPRequestHandler):
    """A service that knows of a hole in `idna`, and of none in anything else."""

    hole = True

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        mine = self.hole and asked["package"]["name"] == "idna"
        body = json.dumps({"vulns": [HOLE]} if mine else {}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def osv() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Osv) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
        server.shutdown()


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.lock"
    path.write_text(PINNED.split("six", maxsplit=1)[0], encoding="utf-8")
    return path


def test_a_hole_that_a_service_knows_of_is_a_failure(
    osv: str, lock: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert supply.audit(lock, "--osv-url", osv, services=["osv"]) == 1
    said = capsys.readouterr().out
    assert "hole: idna 3.10: GHSA-test-test-test (mended in 3.11)" in said
    assert "audit: 1 packages, 1 known holes" in said


def test_packages_without_holes_pass(
    osv: str, lock: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Osv, "hole", False)
    assert supply.audit(lock, "--osv-url", osv, services=["osv"]) == 0
    assert capsys.readouterr().out == "audit: 1 packages, 0 known holes\n"


def test_a_service_that_is_not_there_is_said_and_is_no_failure(
    lock: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert supply.audit(lock, "--osv-url", "http://127.0.0.1:9/", services=["osv"]) == 0
    assert "audit: NOT DONE for 1 of 1 packages" in capsys.readouterr().out


def test_a_service_that_knows_no_package_has_not_audited_it() -> None:
    skipped = {"name": "idna", "skip_reason": "Dependency not found on PyPI"}
    found = supply.read_audit(json.dumps({"dependencies": [skipped]}), packages=1)
    assert (found.complete, found.audited, found.unknown) == (False, 0, 1)


@pytest.mark.parametrize(
    ("said", "fits"),
    [
        ("MIT", True),
        ("Apache-2.0 AND BSD-2-Clause", True),
        ("GPL-3.0-only OR MIT", True),
        ("MIT AND GPL-3.0-only", False),
        ("AGPL-3.0-only", False),
        ("nothing", False),
    ],
)
def test_a_licence_fits_when_one_choice_of_it_does(said: str, fits: bool) -> None:  # noqa: FBT001
    assert supply.fits_apache(said) is fits


def test_a_licence_is_read_from_wherever_a_package_says_it() -> None:
    package = Message()
    package["Classifier"] = "License :: OSI Approved :: MIT License"
    assert supply.licence_of(package) == "MIT License"
    package["License-Expression"] = "ISC"
    assert supply.licence_of(package) == "ISC"
    assert supply.licence_of(Message()) == "nothing"


def test_the_licences_of_what_runs_fit(capsys: pytest.CaptureFixture[str]) -> None:
    assert supply.licences() == 0
    assert "sqlalchemy: MIT" in capsys.readouterr().out


def test_the_gpl_part_of_a_library_is_not_used() -> None:
    for path in (supply.ROOT / "selling_service").rglob("*.py"):
        assert "qmp.legacy" not in path.read_text(encoding="utf-8"), path


def test_a_new_secret_is_found_and_an_accepted_place_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree, baseline = tmp_path / "tree", tmp_path / "baseline"
    tree.mkdir()
    (tree / "settings.py").write_text('KEY = "' + "AKIA" + 'IOSFODNN7EXAMPLQ"\n', encoding="utf-8")
    for words in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", *words], cwd=tree, check=True)  # noqa: S607 (whichever git is there)
    baseline.write_text('{"results": {}}', encoding="utf-8")
    assert supply.secrets(tree, baseline) == 1
    assert "secret? settings.py:1 AWS Access Key" in capsys.readouterr().out
    assert supply.accept(tree, baseline) == 0
    assert supply.secrets(tree, baseline) == 0


def test_what_merely_looks_random_counts_outside_of_tests_only() -> None:
    place = {"type": "Hex High Entropy String", "hashed_secret": "x", "line_number": 1}
    document = {"results": {"tests/a.py": [place], "shared/b.py": [place]}}
    assert [found.file for found in supply.findings(document)] == ["shared/b.py"]


def test_the_bill_of_materials_names_what_runs(tmp_path: Path) -> None:
    assert supply.sbom(tmp_path / "sbom.json") == 0
    made = json.loads((tmp_path / "sbom.json").read_text(encoding="utf-8"))
    names = {component["name"] for component in made["components"]}
    assert made["bomFormat"] == "CycloneDX"
    assert {"fastapi", "asyncpg", "cryptography"} <= names
    assert "pytest" not in names
