"""The first wall alone: row-level security is off, and the queries still ask for one's own only.

The whole matrix is asked again so. And since a wrong answer needn't say a word that is known to be
somebody else's, each statement must meet as many rows as it does behind the policies: a read or
write that only the policies hold back meets more.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.isolation.asking import Answer
from tests.isolation.matrix import Matrix, routes
from tests.isolation.rules import Route
from tests.isolation.test_without_where import SCHEMES
from tests.isolation.unfiltering import Unfilter, without_tenant
from tests.isolation.world import World

pytestmark = pytest.mark.slow
TRAIL = "GET /partner/v1/trail/{trace_id}"
OF_THE_MOMENT = re.compile(r'"(?:server_time|made_at|request_id|trace_id)":"[^"]*"')
# Routes that meet more rows when no condition is left: if fewer do, the test has grown blind.
SENSITIVE = {"partner_key": 25, "client_session": 15}


def of_scheme(scheme: str) -> list[Route]:
    return [route for route in routes() if route.scheme == scheme]


def both_ways(world: World, scheme: str, route: Route) -> Iterator[tuple[Answer, Answer]]:
    """The other one asks for its own things and for the victim's, with and without policies."""
    matrix, service = Matrix(world), world.services[SCHEMES[scheme]]
    victim, other = world.victims[scheme], world.others[scheme]
    for values in (other.values, {**other.values, **victim.values}):
        ask = replace(matrix.ask_for(route, values), token=other.token, until="data:")
        behind = world.ask(route.service, ask)
        with service.without_policies():
            yield behind, world.ask(route.service, ask)


def told(answer: Answer) -> str:
    """What was told but for when it was, and by which request."""
    return OF_THE_MOMENT.sub("", answer.text)


def relies_on_policies(world: World, scheme: str, route: Route) -> Iterator[str]:
    """Statements that meet other rows without the policies, or an answer that becomes another."""
    for behind, without in both_ways(world, scheme, route):
        if (behind.status, behind.code) != (without.status, without.code):
            yield f"{route.label}: {behind.status} became {without.status}"
        elif route.method == "GET" and told(behind) != told(without):
            yield f"{route.label}: {behind.text[:500]} became {without.text[:500]}"
        for statement, met in behind.rows.items():
            if without.rows.get(statement, met) != met:
                yield f"{route.label}: {met} rows became {without.rows[statement]}: {statement}"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_without_policies_there_is_still_nothing_of_another(world: World, scheme: str) -> None:
    labels = {route.label for route in of_scheme(scheme)}
    with world.services[SCHEMES[scheme]].without_policies():
        report = Matrix(world, only=labels.__contains__).run()
    assert report.leaks == [], "\n".join([*report.leaks, str(report)])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_statement_relies_on_the_policies(world: World, scheme: str) -> None:
    found = [
        each for route in of_scheme(scheme) for each in relies_on_policies(world, scheme, route)
    ]
    assert found == [], "\n".join(found)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_conditions_that_are_forgotten_would_be_found(world: World, scheme: str) -> None:
    """Broken on purpose: no condition names the tenant any more."""
    with world.services[SCHEMES[scheme]].rewriting(Unfilter(without_tenant)):
        found = {
            route.label
            for route in of_scheme(scheme)
            if any(relies_on_policies(world, scheme, route))
        }
    assert len(found) >= SENSITIVE[scheme], found
    assert scheme != "partner_key" or TRAIL in found
