"""Fetches Debian packages and unpacks them into a folder, installing nothing."""

import re
import shutil
import subprocess
from pathlib import Path

KERNEL_META = "linux-image-cloud-amd64"


class PackagesMissing(Exception):
    """A package could not be had; the text says which and what apt said."""


def kernel_package() -> str:
    """Return the name of the package that holds the current cloud kernel."""
    told = _run("apt-cache", "depends", "--important", KERNEL_META)
    found = re.search(r"Depends: (linux-image-\S+)", told)
    if found is None:
        raise PackagesMissing(f"apt does not know {KERNEL_META}: run `apt-get update` first")
    return found.group(1)


def unpack(package: str, *, into: Path) -> Path:
    """Download one package and unpack it into the folder `into`, which is returned."""
    downloads = into / "download"
    downloads.mkdir(parents=True, exist_ok=True)
    _run("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", package, cwd=downloads)
    for archive in downloads.glob("*.deb"):
        _run("dpkg-deb", "-x", str(archive), str(into))
    shutil.rmtree(downloads)
    return into


def _run(*command: str, cwd: Path | None = None) -> str:
    try:
        done = subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise PackagesMissing(f"{command[0]} is missing: the guest is built on Debian") from error
    except subprocess.CalledProcessError as error:
        raise PackagesMissing(f"{' '.join(command)}: {error.stderr.strip()}") from error
    return done.stdout
