"""Says which release runs: the installed package's, or none where it runs from its sources."""

from importlib.metadata import PackageNotFoundError, version


def release() -> str:
    """E.g. `0.1.0`."""
    try:
        return version("tandem")
    except PackageNotFoundError:
        return "0.0.0+source"
