"""Looks at what Tandem is made of: known holes, licences, secrets in files, a bill of materials.

`python -m local_stack.supply audit|licences|secrets|accept|sbom`; each exits with 1 where something
is wrong. Only `audit` needs the network, and says so where it has none.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.runtime.lock"
WHOLE_LOCK = ROOT / "requirements.lock"
BASELINE = ROOT / ".secrets.baseline"
SBOM = ROOT / ".tandem" / "sbom.json"
SERVICES = ("pypi", "osv")
TIMEOUT_SECONDS = 10
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+?)(?:\s*;.*?)?\s*\\?$", re.MULTILINE)
# Invented passwords of tests and examples are many; ruff looks for those in the code (S105...).
SCAN = (
    "--no-verify",
    "--disable-plugin=KeywordDetector",
    r"--exclude-files=(^|/)requirements.*\.lock$",
    r"--exclude-files=^\.secrets\.baseline$",
)

PERMISSIVE = {
    "0BSD", "Apache-2.0", "Apache Software License", "BSD License", "BSD-2-Clause",
    "BSD-3-Clause", "ISC", "ISC License (ISCL)", "MIT", "MIT License", "MIT-0", "PSF-2.0",
    "Python Software Foundation License", "The Unlicense (Unlicense)", "Unlicense",
}  # fmt: skip
# Read by a person: what their metadata says isn't a name of the list, or is one with a condition.
READ = {
    "certifi": "MPL-2.0: used as it is, none of its files is changed",
    "httpx-aiohttp": "BSD-3-Clause, as the file in its wheel says",
    "protobuf": "BSD-3-Clause, in words that nobody parses",
    "qemu-qmp": "LGPL-2.0-or-later: a library used as it is; its GPL part isn't imported",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What an audit found: holes as text, and how many packages nobody could tell about."""

    holes: list[str]
    audited: int
    unknown: int

    @property
    def complete(self) -> bool:
        """Whether every package was looked up."""
        return self.audited > 0 and self.unknown == 0


def read_audit(document: str, *, packages: int) -> Audit:
    """Understand the JSON of pip-audit; one that isn't there means that nothing was looked up.

    A package that the service doesn't know is skipped, and pip-audit still ends well: behind a
    mirror without the data that is every package.
    """
    try:
        found: list[dict[str, Any]] = json.loads(document)["dependencies"]
    except (ValueError, KeyError):
        return Audit(holes=[], audited=0, unknown=packages)
    skipped = [each for each in found if "skip_reason" in each]
    holes = [
        f"{each['name']} {each['version']}: {hole['id']}"
        f" (mended in {', '.join(hole['fix_versions']) or 'no version yet'})"
        for each in found
        for hole in each.get("vulns", [])
    ]
    return Audit(holes=holes, audited=len(found) - len(skipped), unknown=len(skipped))


def audit(lock: Path = WHOLE_LOCK, *options: str, services: Sequence[str] = SERVICES) -> int:
    """Ask each service until one has told of every package; 1 where there is a hole."""
    packages = len(_PINNED.findall(lock.read_text(encoding="utf-8")))
    results = []
    for service in services:
        results.append(_pip_audit(lock, service, *options, packages=packages))
        if results[-1].complete:
            break
    holes = sorted({hole for result in results for hole in result.holes})
    for hole in holes:
        print(f"hole: {hole}")
    if not any(result.complete for result in results):
        known = max(result.audited for result in results)
        print(
            f"audit: NOT DONE for {packages - known} of {packages} packages: no service that knows"
            f" of holes ({', '.join(services)}) could be reached or knew them. Run `make audit`"
            " where there is one."
        )
    else:
        print(f"audit: {packages} packages, {len(holes)} known holes")
    return 1 if holes else 0


def _pip_audit(lock: Path, service: str, *options: str, packages: int) -> Audit:
    command = [
        *("-m", "pip_audit", "--requirement", str(lock), "--disable-pip", "--no-deps"),
        *("--vulnerability-service", service, "--timeout", str(TIMEOUT_SECONDS)),
        *("--format", "json", "--progress-spinner", "off", *options),
    ]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    return read_audit(done.stdout, packages=packages)


def licences(lock: Path = LOCK) -> int:
    """Show the licence of each runtime package; 1 where one isn't known to fit Apache-2.0."""
    unfit = 0
    for name, _version in _PINNED.findall(lock.read_text(encoding="utf-8")):
        try:
            said = licence_of(metadata.distribution(name).metadata)
        except metadata.PackageNotFoundError:
            print(f"{name}: not installed on this platform")
            continue
        fits = fits_apache(said)
        reason = READ.get(name)
        unfit += not (fits or reason)
        print(f"{name}: {reason or said}{'' if fits or reason else '   <- READ IT'}")
    print(f"licences: {unfit} that nobody has read" if unfit else "licences: all fit Apache-2.0")
    return 1 if unfit else 0


def licence_of(package: Any) -> str:  # noqa: ANN401 (a message of importlib's own kind)
    """What a package says: an SPDX expression, else its classifiers, else its own words."""
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in package.get_all("Classifier", [])
        if line.startswith("License ::")
    ]
    return str(
        package.get("License-Expression")
        or " OR ".join(classifiers)
        or (package.get("License") or "nothing").splitlines()[0]
    )


def fits_apache(expression: str) -> bool:
    """Whether one of the alternatives consists of permissive licences only."""
    alternatives = re.split(r"\s+OR\s+", expression.strip())
    return any(
        all(part.strip(" ()") in PERMISSIVE or part.strip() in PERMISSIVE for part in parts)
        for parts in (re.split(r"\s+AND\s+", each) for each in alternatives)
    )


def secrets(root: Path = ROOT, baseline: Path = BASELINE) -> int:
    """Scan what git tracks; 1 where there is something that the baseline doesn't know."""
    known = {found.key for found in findings(json.loads(baseline.read_text(encoding="utf-8")))}
    new = [found for found in findings(scan(root)) if found.key not in known]
    for found in new:
        print(f"secret? {found.file}:{found.line} {found.kind}")
    if new:
        print("Take it out, and make a new one. If it is none: python -m local_stack.supply accept")
        return 1
    print("secrets: nothing that the baseline doesn't know")
    return 0


def accept(root: Path = ROOT, baseline: Path = BASELINE) -> int:
    """Write what is found now into the baseline: somebody has looked at it."""
    document = scan(root)
    document.pop("generated_at", None)
    counted = {found.key for found in findings(document)}
    document["results"] = {
        file: kept
        for file, places in document["results"].items()
        if (
            kept := [
                each for each in places if (file, each["type"], each["hashed_secret"]) in counted
            ]
        )
    }
    baseline.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    print(f"secrets: {len(list(findings(document)))} places are no secrets")
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A place that looks like a secret; the digest is of what stands there."""

    file: str
    kind: str
    digest: str
    line: int

    @property
    def key(self) -> tuple[str, str, str]:
        """What stays when lines move."""
        return self.file, self.kind, self.digest


def findings(document: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield each place of a document of detect-secrets.

    Tests are full of ids and keys made up for them; there, only what has a secret's form counts.
    """
    for file, places in sorted(document["results"].items()):
        for place in places:
            if file.startswith("tests/") and place["type"].endswith("High Entropy String"):
                continue
            yield Finding(
                file=file,
                kind=place["type"],
                digest=place["hashed_secret"],
                line=place["line_number"],
            )


def scan(root: Path) -> dict[str, Any]:
    """Let detect-secrets look at the files; nothing leaves the machine."""
    command = [sys.executable, "-m", "detect_secrets", "scan", *SCAN]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def sbom(target: Path = SBOM) -> int:
    """Write the bill of materials of what runs (CycloneDX, JSON)."""
    target.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    command = [
        *("-m", "cyclonedx_py", "requirements", str(LOCK), "--pyproject", "pyproject.toml"),
        *("--output-reproducible", "--output-format", "JSON", "--output-file", str(target)),
    ]
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True)
    made = json.loads(target.read_text(encoding="utf-8"))
    print(f"sbom: {len(made['components'])} components in {target}")
    return 0


COMMANDS: dict[str, Callable[[], int]] = {
    "audit": audit,
    "licences": licences,
    "secrets": secrets,
    "accept": accept,
    "sbom": sbom,
}


def main(arguments: Sequence[str]) -> int:
    """Run one of the commands; its exit code."""
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        sys.exit(f"usage: python -m local_stack.supply {'|'.join(COMMANDS)}")
    return COMMANDS[arguments[0]]()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
