"""Gives tests the whole pair as real processes; see `stack.Stack` for what can be done with it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PostgresServer
from tests.journeys.stack import Stack

MakeStack = Callable[..., AbstractContextManager[Stack]]


@pytest.fixture(scope="session")
def make_stack(
    postgres: PostgresServer,
    selling_template: str,
    reselling_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> MakeStack:
    """Start pairs on fresh databases, with options of `Stack`."""

    @contextmanager
    def make(**options: Any) -> Iterator[Stack]:
        folder: Path = tmp_path_factory.mktemp("stack")
        with (
            postgres.database(template=selling_template) as selling,
            postgres.database(template=reselling_template) as reselling,
            Stack(
                selling_database=postgres.url(selling),
                reselling_database=postgres.url(reselling),
                folder=folder,
                **options,
            ) as stack,
        ):
            yield stack

    return make


@pytest.fixture
def stack(make_stack: MakeStack) -> Iterator[Stack]:
    """A pair of this test's own, with sandbox clocks and the simulated platform."""
    with make_stack() as running:
        yield running


@pytest.fixture(scope="module")
def shared_stack(make_stack: MakeStack) -> Iterator[Stack]:
    """A pair that all tests of a file share; for those that leave it running."""
    with make_stack() as running:
        yield running


@pytest.fixture(scope="session")
def common_stack(make_stack: MakeStack) -> Iterator[Stack]:
    """A pair for all tests that bring partners and clients of their own.

    They leave nothing under way, no process killed and the platform as it was. Its clock only moves
    on, by hours.
    """
    with make_stack() as running:
        yield running
