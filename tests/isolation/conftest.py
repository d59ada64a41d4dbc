"""Gives the tests of isolation one world, which no test changes."""

from collections.abc import Iterator

import pytest

from tests.isolation.world import World, open_world
from tests.journeys.conftest import MakeStack, make_stack

__all__ = ["make_stack"]


@pytest.fixture(scope="session")
def world(make_stack: MakeStack) -> Iterator[World]:
    """Made once for all files here."""
    private = {"SELLING_WEBHOOK_PRIVATE_ADDRESSES": "true"}
    with make_stack(environment=private) as stack, open_world(stack) as found:
        yield found
