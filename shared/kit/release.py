"""Says which release runs: the installed package's, or the one that its sources name."""

import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def release() -> str:
    """E.g. `0.1.0`."""
    try:
        return version("tandem")
    except PackageNotFoundError:
        found: str = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["version"]
        return found
