"""Gives tests the pair under a launcher that kills, freezes and misleads its processes."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PostgresServer
from tests.faults.chain import Chain
from tests.faults.lab import Lab, lab_in

MakeChain = Callable[..., AbstractContextManager[Chain]]


@pytest.fixture(scope="session")
def make_chain(
    postgres: PostgresServer,
    selling_template: str,
    reselling_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> MakeChain:
    """Start chains on fresh databases, with options of `Chain`."""

    @contextmanager
    def make(**options: Any) -> Iterator[Chain]:
        folder: Path = tmp_path_factory.mktemp("chain")
        with (
            postgres.database(template=selling_template) as selling,
            postgres.database(template=reselling_template) as reselling,
            Chain(
                selling_database=postgres.url(selling),
                reselling_database=postgres.url(reselling),
                folder=folder,
                **options,
            ) as chain,
        ):
            yield chain

    return make


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A pair that all tests with broken cables, processes and disks share; each heals it."""
    with lab_in(tmp_path_factory.mktemp("lab"), spares=("selling-worker",)) as made:
        yield made
