"""Broken on purpose: the matrix finds each hole, so that its silence means something."""

from collections.abc import Callable
from importlib import import_module
from typing import Any
from uuid import UUID

import pytest

from selling_service.partners.routes import access
from selling_service.partners.rules import KnownKey
from selling_service.services import queries
from shared.contract.problems import INSUFFICIENT_SCOPE
from shared.kit.problems import ProblemError
from tests.isolation.matrix import Matrix, Report
from tests.isolation.unfiltering import Unfilter, without_tenant
from tests.isolation.world import World

pytestmark = pytest.mark.slow
ONE = "GET /partner/v1/services/{service_ref}"
LIST = "GET /partner/v1/services"


def of(world: World, *labels: str) -> Report:
    return Matrix(world, only=labels.__contains__).run()


def test_nothing_is_found_where_nothing_is_broken(world: World) -> None:
    report = of(world, ONE, LIST)
    assert report.leaks == []
    assert report.cells.total() > 25


def test_forgotten_condition_with_the_policies_off_is_found(world: World) -> None:
    service = world.services["selling"]
    with service.rewriting(Unfilter(without_tenant)):
        assert of(world, ONE).leaks == []  # the second wall holds
        with service.without_policies():
            leaks = of(world, ONE).leaks
    assert any("200" in leak and "instead of 404" in leak for leak in leaks)
    assert any("it tells" in leak for leak in leaks)


def test_list_that_ignores_who_asks_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = queries.list_services

    async def ignoring(session: Any, _partner_id: UUID, **filters: Any) -> Any:
        return await whole(session, None, **filters)

    monkeypatch.setattr(queries, "list_services", ignoring)
    assert of(world, LIST).leaks == []  # the second wall holds
    with world.services["selling"].without_policies():
        leaks = of(world, LIST).leaks
    assert any("other tenant" in leak and "it tells" in leak for leak in leaks)


def test_refusal_that_tells_that_something_is_there_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(_what: str) -> ProblemError:
        return ProblemError(INSUFFICIENT_SCOPE, "It isn't yours.")

    # The package has the router under the module's name.
    reading = import_module("selling_service.services.routes.reading")
    monkeypatch.setattr(reading, "not_found", forbidden)
    leaks = of(world, ONE).leaks
    assert any("403" in leak and "instead of 404" in leak for leak in leaks)


def test_words_that_differ_for_what_is_there_are_found(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = world.victims["partner_key"].values["service_ref"]
    plain = queries.find_service

    async def telling(session: Any, partner_id: UUID, *, service_ref: UUID, **more: Any) -> Any:
        if str(service_ref) == victim:
            await plain(session, partner_id, service_ref=service_ref, **more)
        return await plain(session, partner_id, service_ref=service_ref, **more)

    monkeypatch.setattr(queries, "find_service", telling)
    assert any("other statements" in leak for leak in of(world, ONE).leaks)


@pytest.mark.parametrize(
    ("broken", "kind"),
    [
        ((access, "check_scope", lambda _principal, _scope: None), "missing scope"),
        ((KnownKey, "is_good", lambda _key, _now: True), "revoked"),
        ((KnownKey, "is_good", lambda _key, _now: True), "expired"),
    ],
)
def test_key_that_should_not_help_is_found(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    broken: tuple[object, str, Callable[..., Any]],
    kind: str,
) -> None:
    monkeypatch.setattr(*broken)
    assert any(f"as {kind}" in leak for leak in of(world, LIST).leaks)
