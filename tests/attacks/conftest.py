"""Gives all attacks one world, which each leaves as it found it."""

from collections.abc import Iterator

import pytest

from tests.attacks.world import World
from tests.journeys.conftest import MakeStack, make_stack

__all__ = ["make_stack"]


@pytest.fixture(scope="session")
def world(make_stack: MakeStack) -> Iterator[World]:
    """A pair with two partners and two clients; no hints to private addresses are sent."""
    few = {"SELLING_OPEN_STREAMS": "3", "RESELLING_TAKEN_SIGN_UPS_PER_ADDRESS": "1000"}
    with make_stack(environment=few) as stack:
        yield World(stack)
