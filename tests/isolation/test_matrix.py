"""Every route, as everybody who must not get in: made from both documents, so none is forgotten."""

import pytest

from tests.isolation.matrix import Matrix
from tests.isolation.world import World

pytestmark = pytest.mark.slow


def test_nobody_gets_in_and_nothing_of_another_gets_out(world: World) -> None:
    report = Matrix(world).run()
    print(report)  # noqa: T201 - the count is asked for
    assert report.leaks == [], "\n".join([*report.leaks, str(report)])
    assert report.cells.total() > 1_500
