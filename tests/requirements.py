"""Decides what a test does on a machine that lacks something real: skip, or fail in CI."""

import os

import pytest


def require(condition: object, reason: str) -> None:
    """Skip the running test when `condition` is false; fail instead with REQUIRE_REAL=1 (CI)."""
    if condition:
        return
    if os.environ.get("REQUIRE_REAL") == "1":
        pytest.fail(f"REQUIRE_REAL=1, but {reason}", pytrace=False)
    pytest.skip(reason)
