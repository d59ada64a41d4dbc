"""Gives the tests of the contract a running pair of their own."""

from collections.abc import Iterator

import pytest

from tests.contract.provider import SellingWorld
from tests.contract.reseller import ResellingWorld
from tests.journeys.conftest import MakeStack, make_stack

__all__ = ["make_stack"]


@pytest.fixture(scope="module")
def selling_world(make_stack: MakeStack) -> Iterator[SellingWorld]:
    """The provider of a pair of this file's own."""
    with make_stack() as stack:
        stack.stop("reselling-api", "reselling-worker")
        yield SellingWorld(stack)


@pytest.fixture(scope="module")
def reselling_world(make_stack: MakeStack) -> Iterator[ResellingWorld]:
    """The reseller of a pair of this file's own, whose seller may send hints on this machine."""
    with make_stack(environment={"SELLING_WEBHOOK_PRIVATE_ADDRESSES": "true"}) as stack:
        yield ResellingWorld(stack)
