"""Gives tests the stack of docker-compose.yml, up and healthy."""

from collections.abc import Iterator

import pytest

from tests.compose.engine import running_engine
from tests.compose.images import base_images
from tests.compose.stack import Containers, containers_up, write_secrets
from tests.ports import free_port


@pytest.fixture(scope="session")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    """Both halves in containers, with the first owner of each; all tests share it."""
    with running_engine() as engine, base_images(engine):
        planned = Containers(
            engine=engine,
            secrets=write_secrets(tmp_path_factory.mktemp("compose")),
            ports={"selling": free_port(), "reselling": free_port()},
        )
        with containers_up(planned) as running:
            yield running
